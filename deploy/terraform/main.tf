# Rekindle's AWS proxy: the role with what it needs and nothing more, and an instance that has it.
# policy.json and vault-policy.json are what `rekindle account policy` prints.

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

data "aws_partition" "current" {}

data "aws_ssm_parameter" "debian" {
  name = "/aws/service/debian/release/12/latest/amd64"
}

resource "aws_iam_role" "proxy" {
  name_prefix = "rekindle-"
  description = "What Rekindle does in this account"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
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
