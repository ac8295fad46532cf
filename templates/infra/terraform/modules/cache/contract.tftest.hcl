# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name       = "oddspipe-test"
  vpc_id     = "vpc-a"
  subnet_ids = ["subnet-a", "subnet-b", "subnet-c"]
  clients    = ["10.64.0.0/16"]
  key_arn    = "arn:aws:kms:us-east-1:111111111111:key/a"
  node_type  = "cache.r7g.large"
  replicas   = 2
  secret_arns = {
    "redis/nfl" = "arn:aws:secretsmanager:us-east-1:111111111111:secret:a"
  }
  users         = { "redis/nfl" = "resetkeys -@all ~odds:{nfl}:* +hget" }
  memory_policy = "volatile-ttl"
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_node_type" {
  command = plan
  variables {
    node_type = "r7g.large"
  }
  expect_failures = [var.node_type]
}

run "refuses_replicas" {
  command = plan
  variables {
    replicas = 0
  }
  expect_failures = [var.replicas]
}

run "refuses_users" {
  command = plan
  variables {
    users = { "redis/nfl" = "~* +@all" }
  }
  expect_failures = [var.users]
}

run "refuses_users_who_may_read_all" {
  command = plan
  variables {
    users = { "redis/nfl" = "-@all ~* +hget" }
  }
  expect_failures = [var.users]
}

run "refuses_memory_policy" {
  command = plan
  variables {
    memory_policy = "allkeys-random"
  }
  expect_failures = [var.memory_policy]
}

run "refuses_engine_version" {
  command = plan
  variables {
    engine_version = "8"
  }
  expect_failures = [var.engine_version]
}
