locals {
  servers = { for at in range(var.replicas) : "server-${at}" => var.subnet_ids[at % length(var.subnet_ids)] }
}

data "aws_partition" "this" {}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-clickhouse-"
  description = "ClickHouse and its keepers."
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-clickhouse" }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = toset(var.clients)
  security_group_id = aws_security_group.this.id
  description       = "HTTPS"
  cidr_ipv4         = each.key
  from_port         = 8443
  to_port           = 8443
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "between" {
  security_group_id            = aws_security_group.this.id
  description                  = "Replicas and keepers among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = aws_security_group.this.id
  description       = "Brokers, backups, updates"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "backups" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = ["arn:${data.aws_partition.this.partition}:s3:::${var.bucket}"]
  }
  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["arn:${data.aws_partition.this.partition}:s3:::${var.bucket}/clickhouse/*"]
  }
  # A backup takes its own lock away when it is whole; nothing else is deleted from here.
  statement {
    actions   = ["s3:DeleteObject"]
    resources = ["arn:${data.aws_partition.this.partition}:s3:::${var.bucket}/clickhouse/*/.lock"]
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.bucket_key_arn]
  }
}

resource "aws_iam_role" "this" {
  name_prefix        = "${var.name}-clickhouse-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "backups" {
  name   = "backups"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.backups.json
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.name}-clickhouse-"
  role        = aws_iam_role.this.name
}

resource "aws_instance" "this" {
  for_each                = local.servers
  ami                     = var.image_id
  instance_type           = var.instance_type
  subnet_id               = each.value
  vpc_security_group_ids  = [aws_security_group.this.id]
  iam_instance_profile    = aws_iam_instance_profile.this.name
  disable_api_termination = true
  monitoring              = true
  ebs_optimized           = true
  tags                    = { Name = "${var.name}-clickhouse-${each.key}" }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = 50
    encrypted   = true
    kms_key_id  = var.key_arn
  }
  lifecycle {
    # Its own disk dies with it: servers are replaced one by one, by a person.
    ignore_changes = [ami]
  }
}
