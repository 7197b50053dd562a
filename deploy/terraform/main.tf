# Rekindle's AWS proxy: the role with what it needs and nothing more, and an instance that has it.
# policy.json and the others beside it are what `rekindle account policy` prints.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "vpc_id" {
  type = string
}

variable "subnet_id" {
  type        = string
  description = "Needs a way to the endpoints of EC2, EBS and STS, and to the vault's."
}

variable "instance_type" {
  type    = string
  default = "c6i.large"
}

variable "vault_bucket" {
  type        = string
  default     = ""
  description = "The S3 bucket of the vault, if it is in this account."
}

variable "kms_keys" {
  type        = list(string)
  default     = []
  description = "ARNs of the KMS keys that plans encrypt with (copies_kms_key)."

  validation {
    condition = alltrue([
      for arn in var.kms_keys : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))
    ])
    error_message = "These must be ARNs of keys: arn:aws:kms:REGION:ACCOUNT:key/ID, not of aliases."
  }
}

variable "passed_roles" {
  type        = list(string)
  default     = []
  description = "ARNs of the roles in the instance profiles that plans give to instances (instance_profile)."

  validation {
    condition = alltrue([
      for arn in var.passed_roles : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))
    ])
    error_message = "These must be ARNs of roles: arn:aws:iam::ACCOUNT:role/NAME, not of instance profiles."
  }
}

variable "trusted_account" {
  type        = string
  default     = ""
  description = "The AWS account whose principals may assume the role with the external id, for a proxy there."

  validation {
    condition     = can(regex("^([0-9]{12})?$", var.trusted_account))
    error_message = "This must be the twelve digits of an AWS account."
  }
}

variable "external_id" {
  type        = string
  default     = ""
  description = "What they must say (account add --external-id); goes with trusted_account."

  # 1224 are more repetitions than a regular expression of Terraform may count.
  validation {
    condition     = can(regex("^([A-Za-z0-9_+=,.@:/-]{2,})?$", var.external_id)) && length(var.external_id) <= 1224
    error_message = "This must have 2 to 1224 letters, digits or _+=,.@:/- in it."
  }
}

data "aws_partition" "current" {}

data "aws_ssm_parameter" "debian" {
  name = "/aws/service/debian/release/12/latest/amd64"
}

locals {
  trust_of_an_account = {
    Effect    = "Allow"
    Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.trusted_account}:root" }
    Action    = "sts:AssumeRole"
    Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
  }
}

resource "aws_iam_role" "proxy" {
  name_prefix = "rekindle-"
  description = "What Rekindle does in this account"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }], [for one in [local.trust_of_an_account] : one if var.trusted_account != ""])
  })

  lifecycle {
    precondition {
      condition     = (var.trusted_account == "") == (var.external_id == "")
      error_message = "trusted_account and external_id go together: without an external id others could have the role assumed on their behalf."
    }
  }
}

resource "aws_iam_role_policy" "proxy" {
  name   = "rekindle"
  role   = aws_iam_role.proxy.id
  policy = file("${path.module}/policy.json")
}

resource "aws_iam_role_policy" "vault" {
  count  = var.vault_bucket == "" ? 0 : 1
  name   = "rekindle-vault"
  role   = aws_iam_role.proxy.id
  policy = replace(file("${path.module}/vault-policy.json"), "VAULT-BUCKET", var.vault_bucket)
}

resource "aws_iam_role_policy" "kms" {
  count  = length(var.kms_keys) == 0 ? 0 : 1
  name   = "rekindle-kms"
  role   = aws_iam_role.proxy.id
  policy = replace(file("${path.module}/kms-policy.json"), "KMS-KEYS", join("\", \"", var.kms_keys))
}

resource "aws_iam_role_policy" "pass_role" {
  count  = length(var.passed_roles) == 0 ? 0 : 1
  name   = "rekindle-pass-role"
  role   = aws_iam_role.proxy.id
  policy = replace(file("${path.module}/pass-role-policy.json"), "PASSED-ROLES", join("\", \"", var.passed_roles))
}

resource "aws_iam_role_policy_attachment" "shell" {
  role       = aws_iam_role.proxy.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "proxy" {
  name_prefix = "rekindle-"
  role        = aws_iam_role.proxy.name
}

resource "aws_security_group" "proxy" {
  name_prefix = "rekindle-proxy-"
  description = "The AWS proxy of Rekindle calls out and is called by nobody"
  vpc_id      = var.vpc_id

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_instance" "proxy" {
  ami                    = data.aws_ssm_parameter.debian.value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.proxy.id]
  iam_instance_profile   = aws_iam_instance_profile.proxy.name

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_size = 30
    volume_type = "gp3"
    encrypted   = true
  }

  tags = { Name = "rekindle-proxy" }
}

output "instance_id" {
  value = aws_instance.proxy.id
}

output "role_arn" {
  value = aws_iam_role.proxy.arn
}
