# Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "../../../modules//buckets"
}

dependency "keys" {
  config_path = "../keys"
  mock_outputs = jsondecode("{\"arns\": {\"audit\": \"arn:aws:kms:us-east-1:000000000000:key/mock\", \"data\": \"arn:aws:kms:us-east-1:000000000000:key/mock\"}}")
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = merge(jsondecode(file("inputs.json")), {
  key_arn       = dependency.keys.outputs.arns.data
  audit_key_arn = dependency.keys.outputs.arns.audit
})
