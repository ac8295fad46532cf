locals {
  # A record is safe once one broker less than all has it.
  in_sync = var.replication - 1
  # Names of partners' topics, groups and transactions in ARNs stand behind the cluster's name and id.
  resource = { for kind in ["topic", "group"] : kind => replace(aws_msk_cluster.this.arn, ":cluster/", ":${kind}/") }
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-kafka-"
  description = "Brokers."
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-kafka" }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "scram" {
  for_each          = toset(var.clients)
  security_group_id = aws_security_group.this.id
  description       = "SASL/SCRAM over TLS"
  cidr_ipv4         = each.key
  from_port         = 9096
  to_port           = 9096
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "iam" {
  for_each          = toset(var.clients)
  security_group_id = aws_security_group.this.id
  description       = "IAM over TLS"
  cidr_ipv4         = each.key
  from_port         = 9098
  to_port           = 9098
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "between" {
  security_group_id            = aws_security_group.this.id
  description                  = "Brokers and their controllers among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "between" {
  security_group_id            = aws_security_group.this.id
  description                  = "Brokers and their controllers among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/oddspipe/${var.name}/kafka"
  retention_in_days = 30
  kms_key_id        = var.key_arn
}

resource "aws_msk_configuration" "this" {
  name           = var.name
  kafka_versions = [var.kafka_version]
  server_properties = join("\n", [
    "auto.create.topics.enable=false",
    "delete.topic.enable=true",
    "default.replication.factor=${var.replication}",
    "min.insync.replicas=${local.in_sync}",
    "offsets.topic.replication.factor=${var.replication}",
    "transaction.state.log.replication.factor=${var.replication}",
    "transaction.state.log.min.isr=${local.in_sync}",
    "unclean.leader.election.enable=false",
    # Without it whoever logs in could do everything that no list forbids.
    "allow.everyone.if.no.acl.found=false",
  ])
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = "PER_TOPIC_PER_PARTITION"

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.this.id]
    storage_info {
      ebs_storage_info {
        volume_size = var.volume_gib
      }
    }
    connectivity_info {
      vpc_connectivity {
        client_authentication {
          sasl {
            iam   = true
            scram = true
          }
        }
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  client_authentication {
    unauthenticated = false
    sasl {
      iam   = true
      scram = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.key_arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }
      node_exporter {
        enabled_in_broker = true
      }
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this.name
      }
    }
  }

  lifecycle {
    prevent_destroy = true
    # It grows by itself, below; a smaller number here would be refused.
    ignore_changes = [broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size]
    precondition {
      condition     = var.brokers % length(var.subnet_ids) == 0
      error_message = "brokers: a multiple of the number of subnets."
    }
    precondition {
      condition     = var.brokers >= var.replication
      error_message = "brokers: at least as many as there are copies of a partition."
    }
  }
}

resource "aws_msk_scram_secret_association" "this" {
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = var.secret_arns
}

resource "aws_appautoscaling_target" "disk" {
  service_namespace  = "kafka"
  scalable_dimension = "kafka:broker-storage:VolumeSize"
  resource_id        = aws_msk_cluster.this.arn
  min_capacity       = 1
  max_capacity       = min(4 * var.volume_gib, 16384)
}

resource "aws_appautoscaling_policy" "disk" {
  name               = "${var.name}-kafka-disk"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.disk.service_namespace
  scalable_dimension = aws_appautoscaling_target.disk.scalable_dimension
  resource_id        = aws_appautoscaling_target.disk.resource_id
  target_tracking_scaling_policy_configuration {
    # A broker's disk never shrinks.
    disable_scale_in = true
    target_value     = 60
    predefined_metric_specification {
      predefined_metric_type = "KafkaBrokerStorageUtilization"
    }
  }
}

data "aws_iam_policy_document" "partners" {
  count = length(var.partner_accounts) > 0 ? 1 : 0
  dynamic "statement" {
    for_each = var.partner_accounts
    content {
      sid       = "Connect${title(statement.key)}"
      actions   = ["kafka:CreateVpcConnection", "kafka:GetBootstrapBrokers", "kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
      resources = [aws_msk_cluster.this.arn]
      principals {
        type        = "AWS"
        identifiers = [statement.value]
      }
    }
  }
  dynamic "statement" {
    for_each = var.partner_accounts
    content {
      sid       = "Read${title(statement.key)}"
      actions   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
      resources = [for topic in lookup(var.partner_topics, statement.key, []) : "${local.resource.topic}/${topic}"]
      principals {
        type        = "AWS"
        identifiers = [statement.value]
      }
    }
  }
  dynamic "statement" {
    for_each = var.partner_accounts
    content {
      sid       = "Group${title(statement.key)}"
      actions   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
      resources = ["${local.resource.group}/${statement.key}.*"]
      principals {
        type        = "AWS"
        identifiers = [statement.value]
      }
    }
  }
}

resource "aws_msk_cluster_policy" "partners" {
  count       = length(var.partner_accounts) > 0 ? 1 : 0
  cluster_arn = aws_msk_cluster.this.arn
  policy      = data.aws_iam_policy_document.partners[0].json
}
