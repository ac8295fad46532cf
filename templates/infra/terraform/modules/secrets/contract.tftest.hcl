# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name    = "oddspipe-test"
  key_arn = "arn:aws:kms:us-east-1:111111111111:key/a"
  path    = "test"
  logins  = { "kafka/oddspipe" = { username = "oddspipe" } }
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_logins" {
  command = plan
  variables {
    logins = { "/kafka" = { username = "a" } }
  }
  expect_failures = [var.logins]
}

run "refuses_path" {
  command = plan
  variables {
    path = "a/b"
  }
  expect_failures = [var.path]
}
