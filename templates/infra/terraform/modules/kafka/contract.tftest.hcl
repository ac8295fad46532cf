# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name          = "oddspipe-test"
  vpc_id        = "vpc-a"
  subnet_ids    = ["subnet-a", "subnet-b", "subnet-c"]
  clients       = ["10.64.0.0/16"]
  key_arn       = "arn:aws:kms:us-east-1:111111111111:key/a"
  instance_type = "kafka.m7g.large"
  brokers       = 3
  volume_gib    = 100
  secret_arns   = []
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_kafka_version" {
  command = plan
  variables {
    kafka_version = "2.8.1"
  }
  expect_failures = [var.kafka_version]
}

run "refuses_instance_type" {
  command = plan
  variables {
    instance_type = "kafka.t3.small"
  }
  expect_failures = [var.instance_type]
}

run "refuses_replication" {
  command = plan
  variables {
    replication = 2
  }
  expect_failures = [var.replication]
}

run "refuses_clients" {
  command = plan
  variables {
    clients = ["0.0.0.0/0"]
  }
  expect_failures = [var.clients]
}

run "refuses_subnet_ids" {
  command = plan
  variables {
    subnet_ids = ["subnet-a"]
  }
  expect_failures = [var.subnet_ids]
}

run "refuses_partner_accounts" {
  command = plan
  variables {
    partner_accounts = { acme = "12" }
  }
  expect_failures = [var.partner_accounts]
}

run "refuses_volume_gib" {
  command = plan
  variables {
    volume_gib = 1
  }
  expect_failures = [var.volume_gib]
}
