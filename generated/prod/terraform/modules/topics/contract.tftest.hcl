# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  cluster_arn = "arn:aws:kafka:us-east-1:111111111111:cluster/a/b"
  topics      = { "nfl.raw" = { partitions = 48, replication = 3, configs = { "min.insync.replicas" = "2", "cleanup.policy" = "delete" } } }
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_topics" {
  command = plan
  variables {
    topics = { "nfl.raw" = { partitions = 48, replication = 3, configs = { "min.insync.replicas" = "3", "cleanup.policy" = "delete" } } }
  }
  expect_failures = [var.topics]
}

run "refuses_topics_2" {
  command = plan
  variables {
    topics = { "nfl_raw" = { partitions = 48, replication = 3, configs = { "min.insync.replicas" = "2", "cleanup.policy" = "delete" } } }
  }
  expect_failures = [var.topics]
}
