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

variable "audit_key_arn" {
  description = "KMS key of the audit's bucket."
  type        = string
}

variable "archive_days" {
  description = "After so many days the archive moves to cold storage."
  type        = number
  default     = 90
  validation {
    condition     = var.archive_days >= 30
    error_message = "archive_days: at least 30."
  }
}

variable "audit_years" {
  description = "Nobody can remove what the auditor reads for so many years."
  type        = number
  default     = 7
  validation {
    condition     = var.audit_years >= 7
    error_message = "audit_years: at least 7."
  }
}

variable "backup_days" {
  description = "How long backups are kept."
  type        = number
  default     = 35
  validation {
    condition     = var.backup_days >= 8
    error_message = "backup_days: at least 8, so that a weekly full backup and all that builds on it are there."
  }
}
