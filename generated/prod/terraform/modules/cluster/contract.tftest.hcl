# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name         = "oddspipe-test"
  subnet_ids   = ["subnet-a", "subnet-b", "subnet-c"]
  key_arn      = "arn:aws:kms:us-east-1:111111111111:key/a"
  admins       = ["arn:aws:iam::111111111111:role/admin"]
  pools        = { nfl = { instance_type = "m7i.2xlarge", least = 1, most = 2 } }
  system       = { instance_type = "m7i.large", least = 2, most = 4 }
  secrets_path = "test"
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_kubernetes_version" {
  command = plan
  variables {
    kubernetes_version = "1.29"
  }
  expect_failures = [var.kubernetes_version]
}

run "refuses_admins" {
  command = plan
  variables {
    admins = []
  }
  expect_failures = [var.admins]
}

run "refuses_pools" {
  command = plan
  variables {
    pools = { nfl = { instance_type = "m7i.2xlarge", least = 3, most = 2 } }
  }
  expect_failures = [var.pools]
}

run "refuses_system" {
  command = plan
  variables {
    system = { instance_type = "m7i.large", least = 1, most = 2 }
  }
  expect_failures = [var.system]
}
