# Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "../../../modules//cache"
}

dependency "keys" {
  config_path = "../keys"
  mock_outputs = jsondecode("{\"arns\": {\"data\": \"arn:aws:kms:us-east-1:000000000000:key/mock\"}}")
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "network" {
  config_path = "../network"
  mock_outputs = jsondecode("{\"subnet_ids\": [\"subnet-a\", \"subnet-b\", \"subnet-c\"], \"vpc_id\": \"vpc-00000000\"}")
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "secrets" {
  config_path = "../secrets"
  mock_outputs = jsondecode("{\"arns\": {\"redis/exporter\": \"arn:aws:secretsmanager:us-east-1:000000000000:secret:mock\", \"redis/mlb\": \"arn:aws:secretsmanager:us-east-1:000000000000:secret:mock\", \"redis/nba\": \"arn:aws:secretsmanager:us-east-1:000000000000:secret:mock\", \"redis/nfl\": \"arn:aws:secretsmanager:us-east-1:000000000000:secret:mock\", \"redis/reader\": \"arn:aws:secretsmanager:us-east-1:000000000000:secret:mock\"}}")
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = merge(jsondecode(file("inputs.json")), {
  vpc_id      = dependency.network.outputs.vpc_id
  subnet_ids  = dependency.network.outputs.subnet_ids
  key_arn     = dependency.keys.outputs.arns.data
  secret_arns = dependency.secrets.outputs.arns
})
