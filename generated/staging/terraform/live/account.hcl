# Rendered by oddspipe 0.1.0 from platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
locals {
  environment = "staging"
}
