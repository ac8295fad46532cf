output "addresses" {
  description = "Private address of each server."
  value       = { for name, server in aws_instance.this : name => server.private_ip }
}
