# What this module takes and refuses; needs no provider: copy it beside variables.tf alone.
variables {
  name           = "oddspipe-test"
  vpc_id         = "vpc-a"
  subnet_ids     = ["subnet-a", "subnet-b", "subnet-c"]
  clients        = ["10.64.0.0/16"]
  key_arn        = "arn:aws:kms:us-east-1:111111111111:key/a"
  instance_type  = "i4i.2xlarge"
  image_id       = "ami-0123456789abcdef0"
  bucket         = "b"
  bucket_key_arn = "arn:aws:kms:us-east-1:111111111111:key/a"
}

run "takes_what_is_right" {
  command = plan
}

run "refuses_instance_type" {
  command = plan
  variables {
    instance_type = "r5.4xlarge"
  }
  expect_failures = [var.instance_type]
}

run "refuses_replicas" {
  command = plan
  variables {
    replicas = 2
  }
  expect_failures = [var.replicas]
}

run "refuses_image_id" {
  command = plan
  variables {
    image_id = "latest"
  }
  expect_failures = [var.image_id]
}
