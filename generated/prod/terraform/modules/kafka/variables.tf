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

variable "kafka_version" {
  description = "Version of the brokers; only those without ZooKeeper."
  type        = string
  default     = "3.9.x.kraft"
  validation {
    condition     = can(regex("^(3\\.(8|9)|4\\.[0-9]+)\\.x\\.kraft$", var.kafka_version))
    error_message = "kafka_version: 3.8.x.kraft or later; before it transactions do not work with IAM."
  }
}

variable "instance_type" {
  description = "Machine of a broker."
  type        = string
  validation {
    condition     = startswith(var.instance_type, "kafka.") && !startswith(var.instance_type, "kafka.t3.")
    error_message = "instance_type: kafka.FAMILY.SIZE, and no t3: private connections of partners need more."
  }
}

variable "brokers" {
  description = "Brokers of the cluster, the same number in each zone."
  type        = number
}

variable "volume_gib" {
  description = "Disk of a broker to begin with; it grows by itself."
  type        = number
  validation {
    condition     = var.volume_gib >= 10 && var.volume_gib <= 16384
    error_message = "volume_gib: 10 to 16384."
  }
}

variable "replication" {
  description = "Copies of every partition."
  type        = number
  default     = 3
  validation {
    condition     = var.replication >= 3
    error_message = "replication: at least 3, so that one broker may be away for maintenance while another fails."
  }
}

variable "secret_arns" {
  description = "Logins by SCRAM: secrets whose name begins with AmazonMSK_."
  type        = list(string)
}

variable "partner_accounts" {
  description = "Cloud account of each partner that connects privately."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for account in values(var.partner_accounts) : can(regex("^[0-9]{12}$", account))])
    error_message = "partner_accounts: account numbers of twelve digits."
  }
}

variable "partner_topics" {
  description = "Topics that each partner may read."
  type        = map(list(string))
  default     = {}
}
