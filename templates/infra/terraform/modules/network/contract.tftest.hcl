# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name         = "oddspipe-test"
  cidr         = "10.64.0.0/16"
  nat_per_zone = true
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_cidr" {
  command = plan
  variables {
    cidr = "10.0.0.0/24"
  }
  expect_failures = [var.cidr]
}

run "refuses_zones" {
  command = plan
  variables {
    zones = 1
  }
  expect_failures = [var.zones]
}

run "refuses_name" {
  command = plan
  variables {
    name = "Odds"
  }
  expect_failures = [var.name]
}
