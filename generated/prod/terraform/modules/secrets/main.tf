# Drawn for one run and kept in no state: what is written is written only.
ephemeral "aws_secretsmanager_random_password" "this" {
  for_each            = var.logins
  password_length     = 40
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = var.logins
  name                    = "${var.path}/${each.key}"
  description             = "Login ${each.value.username} of ${var.name}."
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each  = var.logins
  secret_id = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo = jsonencode({
    username = each.value.username
    password = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  })
  secret_string_wo_version = var.generation
}

# Brokers read a login only from a secret with a name of their own; the password is the same.
locals {
  broker = { for path, one in var.logins : path => one if startswith(path, "kafka/") }
}

resource "aws_secretsmanager_secret" "broker" {
  for_each                = local.broker
  name                    = "AmazonMSK_${var.name}-${each.value.username}"
  description             = "Login ${each.value.username}, as the brokers read it."
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "broker" {
  for_each  = local.broker
  secret_id = aws_secretsmanager_secret.broker[each.key].id
  secret_string_wo = jsonencode({
    username = each.value.username
    password = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  })
  secret_string_wo_version = var.generation
}
