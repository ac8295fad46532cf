output "names" {
  value = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.id }
}

output "arns" {
  value = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}
