# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name     = "oddspipe-test"
  purposes = ["data", "audit"]
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_purposes" {
  command = plan
  variables {
    purposes = []
  }
  expect_failures = [var.purposes]
}
