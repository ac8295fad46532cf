# Rendered by oddspipe 0.1.0 from platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.

# One state a component, locked by a file beside it. In another account than the one named here
# nothing is done.
locals {
  environment = read_terragrunt_config(find_in_parent_folders("account.hcl")).locals.environment
  region      = read_terragrunt_config(find_in_parent_folders("region.hcl")).locals.region
  account     = get_env("ODDS_ACCOUNT")
}

remote_state {
  backend = "s3"
  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }
  config = {
    bucket              = "oddspipe-state-${local.environment}-${local.account}"
    key                 = "${path_relative_to_include()}/terraform.tfstate"
    region              = local.region
    encrypt             = true
    use_lockfile        = true
    allowed_account_ids = [local.account]
  }
}

generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOF
    provider "aws" {
      region              = "${local.region}"
      allowed_account_ids = ["${local.account}"]
      default_tags {
        tags = {
          "oddspipe.io/environment" = "${local.environment}"
          "oddspipe.io/managed-by"  = "terraform"
        }
      }
    }
  EOF
}
