output "vpc_id" {
  value = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Private subnets, in the order of their zones."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "cidr" {
  value = aws_vpc.this.cidr_block
}
