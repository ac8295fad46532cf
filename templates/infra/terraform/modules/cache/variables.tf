variable "name" {
  description = "Stands before the name of everything that is made."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name: 3 to 31 small letters, digits and dashes, a letter first."
  }
}

variable "vpc_id" {
  description = "Network it lies in."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one a zone."
  type        = list(string)
  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2
    error_message = "subnet_ids: subnets of at least two zones, each once."
  }
}

variable "clients" {
  description = "Addresses that may connect (CIDR)."
  type        = list(string)
  validation {
    condition     = length(var.clients) > 0 && alltrue([for one in var.clients : can(cidrhost(one, 0)) && !endswith(one, "/0")])
    error_message = "clients: networks in CIDR notation, and never the whole world."
  }
}

variable "key_arn" {
  description = "KMS key that encrypts what is kept."
  type        = string
}

variable "node_type" {
  description = "Machine of a node."
  type        = string
  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "node_type: cache.FAMILY.SIZE."
  }
}

variable "replicas" {
  description = "Copies of the primary in other zones."
  type        = number
  validation {
    condition     = var.replicas >= 1 && var.replicas <= 5
    error_message = "replicas: 1 to 5; without one a node's failure is an outage."
  }
}

variable "engine_version" {
  description = "Version of Valkey."
  type        = string
  default     = "8.1"
  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+$", var.engine_version))
    error_message = "engine_version: MAJOR.MINOR."
  }
}

variable "secret_arns" {
  description = "Secrets with `username` and `password`, by their path."
  type        = map(string)
}

variable "users" {
  description = "What each user may do, as ACL rules, by the path of its secret."
  type        = map(string)
  validation {
    condition     = length(var.users) > 0 && alltrue([for one in values(var.users) : strcontains(one, "-@all") && !strcontains(one, "allkeys") && !strcontains(one, "+@all") && !strcontains(one, "~* ")])
    error_message = "users: each is refused everything first, and names its keys and commands."
  }
}

variable "memory_policy" {
  description = "What goes when the memory is full."
  type        = string
  validation {
    condition     = contains(["volatile-ttl", "noeviction"], var.memory_policy)
    error_message = "memory_policy: volatile-ttl or noeviction; nothing may be lost at random."
  }
}
