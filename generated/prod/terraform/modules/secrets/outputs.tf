output "arns" {
  description = "ARN of each login's secret, by its path."
  value       = { for path, secret in aws_secretsmanager_secret.this : path => secret.arn }
}

output "broker_arns" {
  description = "Secrets that the brokers read."
  value       = [for secret in aws_secretsmanager_secret.broker : secret.arn]
}
