output "url" {
  description = "The value of ODDSPIPE_REDIS."
  value       = "rediss://${aws_elasticache_replication_group.this.primary_endpoint_address}:6379/0"
}
