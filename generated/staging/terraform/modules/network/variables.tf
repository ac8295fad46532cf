variable "name" {
  description = "Stands before the name of everything that is made."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name: 3 to 31 small letters, digits and dashes, a letter first."
  }
}

variable "cidr" {
  description = "Addresses of the network."
  type        = string
  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) <= 18, false)
    error_message = "cidr: an IPv4 network of /18 or larger, e.g. 10.64.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones it spreads over."
  type        = number
  default     = 3
  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "zones: 2 to 4."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway a zone; one for all when false, which a zone's failure takes away."
  type        = bool
}
