resource "aws_msk_topic" "this" {
  for_each           = var.topics
  cluster_arn        = var.cluster_arn
  name               = each.key
  partition_count    = each.value.partitions
  replication_factor = each.value.replication
  configs            = jsonencode(each.value.configs)
  lifecycle {
    # More partitions would move games to others in the middle of a season; fewer there cannot be.
    prevent_destroy = true
  }
}
