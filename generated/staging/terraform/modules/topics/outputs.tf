output "names" {
  value = sort(keys(aws_msk_topic.this))
}
