variable "name" {
  description = "Stands before the name of everything that is made."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name: 3 to 31 small letters, digits and dashes, a letter first."
  }
}

variable "purposes" {
  description = "A key each; who may read one kind of data may not read all."
  type        = set(string)
  validation {
    condition     = length(var.purposes) > 0
    error_message = "purposes: at least one."
  }
}
