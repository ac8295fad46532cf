# Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "../../../modules//topics"
}

dependency "kafka" {
  config_path = "../kafka"
  mock_outputs = jsondecode("{\"arn\": \"arn:aws:kafka:us-east-1:000000000000:cluster/mock/mock\"}")
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = merge(jsondecode(file("inputs.json")), {
  cluster_arn = dependency.kafka.outputs.arn
})
