variable "cluster_arn" {
  description = "Cluster that they are on."
  type        = string
}

variable "topics" {
  description = "Topics by name; settings as the brokers call them."
  type = map(object({
    partitions  = number
    replication = number
    configs     = map(string)
  }))
  validation {
    condition     = alltrue([for name, _ in var.topics : can(regex("^[a-z0-9.-]{1,249}$", name))])
    error_message = "topics: names of small letters, digits, dots and dashes; a low line and a dot are one in metrics."
  }
  validation {
    condition     = alltrue([for _, one in var.topics : try(tonumber(one.configs["min.insync.replicas"]), 0) >= 1 && try(tonumber(one.configs["min.insync.replicas"]), 0) < one.replication])
    error_message = "topics: min.insync.replicas is given, and less than the copies; else no broker may be away."
  }
  validation {
    condition     = alltrue([for _, one in var.topics : contains(keys(one.configs), "cleanup.policy")])
    error_message = "topics: cleanup.policy is given."
  }
}
