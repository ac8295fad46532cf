output "arn" {
  value = aws_msk_cluster.this.arn
}

output "cluster_name" {
  value = aws_msk_cluster.this.cluster_name
}

output "brokers" {
  description = "Bootstrap servers for SASL/SCRAM: the value of ODDSPIPE_KAFKA."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
}
