data "aws_secretsmanager_secret_version" "user" {
  for_each  = var.users
  secret_id = var.secret_arns[each.key]
}

locals {
  logins = {
    for path, one in data.aws_secretsmanager_secret_version.user : path => jsondecode(one.secret_string)
  }
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-cache-"
  description = "Cache of the last odds."
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-cache" }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = toset(var.clients)
  security_group_id = aws_security_group.this.id
  description       = "Redis protocol over TLS"
  cidr_ipv4         = each.key
  from_port         = 6379
  to_port           = 6379
  ip_protocol       = "tcp"
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-valkey${split(".", var.engine_version)[0]}"
  family      = "valkey${split(".", var.engine_version)[0]}"
  description = "Odds expire; what is full loses first what would expire first."
  parameter {
    name  = "maxmemory-policy"
    value = var.memory_policy
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_user" "this" {
  for_each      = var.users
  user_id       = "${var.name}-${replace(each.key, "/[^a-z0-9]+/", "-")}"
  user_name     = local.logins[each.key].username
  engine        = "valkey"
  access_string = "on ${each.value}"
  authentication_mode {
    type      = "password"
    passwords = [local.logins[each.key].password]
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "valkey"
  user_ids      = [for one in aws_elasticache_user.this : one.user_id]
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Last odds of every game."
  engine               = "valkey"
  engine_version       = var.engine_version
  node_type            = var.node_type
  # Not in cluster mode: the writer speaks to one primary, and all odds of a season are a few MB.
  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = 6379
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  snapshot_retention_limit   = 7
  snapshot_window            = "09:00-10:00"
  maintenance_window         = "tue:10:00-tue:11:00"
}
