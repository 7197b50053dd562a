"""The templates of deploy/ hold the policy that the program prints, and are what CloudFormation and Terraform can read."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = os.environ.get("REKINDLE_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "rekindle")
CFN_LINT = os.path.join(CACHE, "peers/cfn-lint/bin/cfn-lint")
BINARY = os.environ.get("REKINDLE_BINARY") or ROOT / "build/release/rekindle"
CLOUDFORMATION = (ROOT / "deploy/cloudformation/aws-proxy.yaml").read_text(encoding="utf-8")
TERRAFORM = (ROOT / "deploy/terraform/main.tf").read_text(encoding="utf-8")
POLICIES = ("policy.json", "vault-policy.json", "kms-policy.json", "pass-role-policy.json")
KEYS = [f"arn:aws:kms:eu-central-1:111122223333:key/{key}" for key in ("1234abcd-12ab", "mrk-5678")]
ROLES = [f"arn:aws:iam::111122223333:role/{role}" for role in ("web", "teams/db")]


def printed_statements(*options):
    """By their ids."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run([BINARY, "--home", home, "account", "policy", *options], check=True, capture_output=True,
                              text=True)
    return {one["Sid"]: one for one in json.loads(done.stdout)["Statement"]}


def added_by(option, values):
    """What the program prints only with the option."""
    always = printed_statements()
    options = [word for value in values for word in (option, value)]
    return [one for sid, one in printed_statements(*options).items() if sid not in always]


def cloudformation_resource(name):
    return re.search(rf"^  {name}:\n(?:    .*\n|\n)+", CLOUDFORMATION, re.M)[0]


def cloudformation_statements(resource, parameters):
    """Of a policy's resource, with lists in place of its parameters."""
    written = json.loads(resource.split("        Statement:", 1)[1])

    def filled(value):
        if isinstance(value, dict):
            if set(value) == {"Ref"}:
                return parameters[value["Ref"]]
            return {key: filled(one) for key, one in value.items()}
        return [filled(one) for one in value] if isinstance(value, list) else value

    return filled(written)


def terraform_resource(name):
    return re.search(rf'^resource "aws_iam_\w+" "{name}" {{\n.*?^}}\n', TERRAFORM, re.M | re.S)[0]


def terraform_statements(resource, values):
    """Of a policy's resource, as its expression makes them of a file and a list."""
    file, mark, glue = re.search(r'replace\(file\("\${path.module}/([\w-]+\.json)"\), "([A-Z-]+)", join\("(.*?)", var',
                                 resource).groups()
    text = (ROOT / "deploy/terraform" / file).read_text(encoding="utf-8")
    return json.loads(text.replace(mark, glue.replace('\\"', '"').join(values)))["Statement"]


class Templates(unittest.TestCase):
    def test_they_hold_the_policy_of_this_program(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([ROOT / "deploy/generate", folder], check=True)
            for name in ("cloudformation/aws-proxy.yaml", *(f"terraform/{policy}" for policy in POLICIES)):
                made = (pathlib.Path(folder) / name).read_text(encoding="utf-8")
                kept = (ROOT / "deploy" / name).read_text(encoding="utf-8")
                self.assertEqual(made, kept, f"deploy/{name} is not what deploy/generate makes: run it")

    def test_cloudformation_accepts_its_template(self):
        if not os.path.exists(CFN_LINT):
            self.skipTest("cfn-lint is not installed")
        done = subprocess.run([CFN_LINT, ROOT / "deploy/cloudformation/aws-proxy.yaml"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.stdout + done.stderr, "")
        self.assertEqual(done.returncode, 0)

    def test_terraforms_module_uses_what_it_declares(self):
        text = TERRAFORM
        self.assertEqual(text.count("{"), text.count("}"))
        declared = set(re.findall(r'^variable "(\w+)"', text, re.M))
        self.assertEqual(set(re.findall(r"\bvar\.(\w+)", text)), declared)
        resources = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.M)}
        used = set(re.findall(r"\b(aws_\w+\.\w+)\.\w+", text)) - {"aws_partition.current", "aws_ssm_parameter.debian"}
        self.assertEqual(used - resources, set())

    def test_keys_and_roles_are_allowed_as_the_program_prints_it_and_only_where_they_are_named(self):
        for name, parameter, condition, values, option in (
                ("KmsPolicy", "KmsKeys", "HasKeys", KEYS, "--kms-key"),
                ("PassRolePolicy", "PassedRoles", "HasRoles", ROLES, "--pass-role")):
            resource = cloudformation_resource(name)
            printed = added_by(option, values)
            self.assertNotEqual(printed, [])
            self.assertEqual(cloudformation_statements(resource, {parameter: values}), printed)
            self.assertIn(f"\n    Condition: {condition}\n", resource)
            self.assertIn(f'\n  {condition}: !Not [!Equals [!Join ["", !Ref {parameter}], ""]]\n', CLOUDFORMATION)
        for name, variable, values, option in (("kms", "kms_keys", KEYS, "--kms-key"),
                                               ("pass_role", "passed_roles", ROLES, "--pass-role")):
            resource = terraform_resource(name)
            self.assertEqual(terraform_statements(resource, values), added_by(option, values))
            self.assertRegex(resource, rf"\n  count  = length\(var\.{variable}\) == 0 \? 0 : 1\n")

    def test_parameters_take_what_they_ask_for_and_nothing_wider(self):
        def patterns(parameter, variable):
            block = re.search(rf"^  {parameter}:\n(?:    .*\n)+", CLOUDFORMATION, re.M)[0]
            yield re.search(r'AllowedPattern: "(.*)"', block)[1]
            block = re.search(rf'^variable "{variable}" {{\n.*?^}}\n', TERRAFORM, re.M | re.S)[0]
            yield re.search(r'regex\("(.*?)",', block)[1]

        account = "111122223333"
        for parameter, variable, good, bad in (
                ("KmsKeys", "kms_keys", KEYS,
                 ("*", "alias/dr", f"arn:aws:kms:eu-central-1:{account}:alias/dr", f"arn:aws:kms:*:{account}:key/*")),
                ("PassedRoles", "passed_roles", ROLES,
                 ("*", "web", f"arn:aws:iam::{account}:role/*", f"arn:aws:iam::{account}:instance-profile/web")),
                ("TrustedAccount", "trusted_account", ("", account), ("*", "1111", f"arn:aws:iam::{account}:root")),
                ("ExternalId", "external_id", ("", "x1", "of/us:42"), ("x", "*", "a b"))):
            for pattern in patterns(parameter, variable):
                for one in good:
                    self.assertRegex(one, pattern)
                for one in bad:
                    self.assertNotRegex(one, pattern)

    def test_another_account_is_trusted_only_with_an_external_id(self):
        role = cloudformation_resource("ProxyRole")
        self.assertEqual(role.count("Action: sts:AssumeRole"), 2)
        trust = role.split("- HasTrust\n", 1)[1].split("!Ref AWS::NoValue", 1)[0]
        self.assertIn('Principal: {AWS: !Sub "arn:${AWS::Partition}:iam::${TrustedAccount}:root"}', trust)
        self.assertIn('Condition: {StringEquals: {"sts:ExternalId": !Ref ExternalId}}', trust)
        given = {name: f'!Not [!Equals [!Ref {name}, ""]]' for name in ("TrustedAccount", "ExternalId")}
        self.assertIn(f"\n  HasTrust: !And [{given['TrustedAccount']}, {given['ExternalId']}]\n", CLOUDFORMATION)
        for one, other in (("TrustedAccount", "ExternalId"), ("ExternalId", "TrustedAccount")):
            self.assertIn(f"    RuleCondition: {given[one]}\n    Assertions:\n      - Assert: {given[other]}\n",
                          CLOUDFORMATION)
        self.assertIn('(var.trusted_account == "") == (var.external_id == "")', terraform_resource("proxy"))
        self.assertIn('[local.trust_of_an_account] : one if var.trusted_account != ""', terraform_resource("proxy"))
        self.assertIn('Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }', TERRAFORM)

    def test_the_policies_are_small_enough_for_aws(self):
        """Together, without white space: the limit is for all inline policies of a role. Some is left for lists."""
        size = 0
        for name in POLICIES:
            policy = json.loads((ROOT / "deploy/terraform" / name).read_text(encoding="utf-8"))
            size += len(json.dumps(policy, separators=(",", ":")))
        self.assertLess(size, 10240 - 4096)


if __name__ == "__main__":
    unittest.main()
