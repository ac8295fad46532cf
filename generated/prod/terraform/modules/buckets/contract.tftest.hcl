# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name          = "oddspipe-test"
  key_arn       = "arn:aws:kms:us-east-1:111111111111:key/a"
  audit_key_arn = "arn:aws:kms:us-east-1:111111111111:key/b"
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_audit_years" {
  command = plan
  variables {
    audit_years = 1
  }
  expect_failures = [var.audit_years]
}

run "refuses_backup_days" {
  command = plan
  variables {
    backup_days = 3
  }
  expect_failures = [var.backup_days]
}

run "refuses_archive_days" {
  command = plan
  variables {
    archive_days = 1
  }
  expect_failures = [var.archive_days]
}
