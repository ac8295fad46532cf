# Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "../../../modules//network"
}

inputs = merge(jsondecode(file("inputs.json")), {
})
