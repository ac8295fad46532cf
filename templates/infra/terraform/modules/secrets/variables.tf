variable "name" {
  description = "Stands before the name of everything that is made."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name: 3 to 31 small letters, digits and dashes, a letter first."
  }
}

variable "key_arn" {
  description = "KMS key that encrypts what is kept."
  type        = string
}

variable "path" {
  description = "What stands before the path of every secret: the environment."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9_-]+$", var.path))
    error_message = "path: one word."
  }
}

variable "logins" {
  description = "Logins by their path, as specs name it; each is a user's name with a password drawn once."
  type        = map(object({ username = string }))
  validation {
    condition     = alltrue([for path, _ in var.logins : !startswith(path, "/") && !endswith(path, "/")])
    error_message = "logins: paths without a stroke at their ends, e.g. kafka/oddspipe."
  }
}

variable "generation" {
  description = "Raised by one, every password is drawn anew."
  type        = number
  default     = 1
}
