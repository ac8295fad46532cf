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

variable "instance_type" {
  description = "Machine of a server; only those with a disk of their own."
  type        = string
  validation {
    condition     = can(regex("^(i[3-8][a-z]*|im4gn|is4gen|[cmr][5-8][a-z]*d[a-z]*)\\.", var.instance_type))
    error_message = "instance_type: a family with NVMe, e.g. i4i, i8g, r6id; r5 and m7i have none."
  }
}

variable "image_id" {
  description = "Machine image with ClickHouse and clickhouse-keeper."
  type        = string
  validation {
    condition     = can(regex("^ami-[0-9a-f]{8,17}$", var.image_id))
    error_message = "image_id: ami- and its number."
  }
}

variable "replicas" {
  description = "Servers, one a zone; each has a keeper."
  type        = number
  default     = 3
  validation {
    condition     = var.replicas >= 3 && var.replicas % 2 == 1
    error_message = "replicas: 3, 5, …: their keepers vote."
  }
}

variable "bucket" {
  description = "Bucket of the backups."
  type        = string
}

variable "bucket_key_arn" {
  description = "KMS key of that bucket."
  type        = string
}
