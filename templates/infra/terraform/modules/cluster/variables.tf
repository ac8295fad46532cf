variable "name" {
  description = "Stands before the name of everything that is made."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name: 3 to 31 small letters, digits and dashes, a letter first."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one a zone."
  type        = list(string)
  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2
    error_message = "subnet_ids: subnets of at least two zones, each once."
  }
}

variable "key_arn" {
  description = "KMS key that encrypts what is kept."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes."
  type        = string
  default     = "1.35"
  validation {
    condition     = can(regex("^1\\.(3[4-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version: 1.34 or later; those before are out of support."
  }
}

variable "admins" {
  description = "Roles (ARN) that administer the cluster."
  type        = list(string)
  validation {
    condition     = length(var.admins) > 0 && alltrue([for one in var.admins : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", one))])
    error_message = "admins: at least one ARN of a role."
  }
}

variable "pools" {
  description = "Nodes of each sport: nothing else runs there."
  type = map(object({
    instance_type = string
    least         = number
    most          = number
  }))
  validation {
    condition     = alltrue([for _, one in var.pools : one.least >= 0 && one.most >= 1 && one.least <= one.most])
    error_message = "pools: 0 <= least <= most, and most at least 1."
  }
}

variable "system" {
  description = "Nodes of what serves all: DNS, KEDA, Argo CD, the monitors."
  type = object({
    instance_type = string
    least         = number
    most          = number
  })
  validation {
    condition     = var.system.least >= 2 && var.system.least <= var.system.most
    error_message = "system: at least 2 nodes, in two zones."
  }
}

variable "secrets_path" {
  description = "What stands before the path of every secret that pods may read."
  type        = string
}
