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


class Templates(unittest.TestCase):
    def test_they_hold_the_policy_of_this_program(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([ROOT / "deploy/generate", folder], check=True)
            for name in ("cloudformation/aws-proxy.yaml", "terraform/policy.json", "terraform/vault-policy.json"):
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
        text = (ROOT / "deploy/terraform/main.tf").read_text(encoding="utf-8")
        self.assertEqual(text.count("{"), text.count("}"))
        declared = set(re.findall(r'^variable "(\w+)"', text, re.M))
        self.assertEqual(set(re.findall(r"\bvar\.(\w+)", text)), declared)
        resources = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.M)}
        used = set(re.findall(r"\b(aws_\w+\.\w+)\.\w+", text)) - {"aws_partition.current", "aws_ssm_parameter.debian"}
        self.assertEqual(used - resources, set())

    def test_the_policy_is_small_enough_for_aws(self):
        for name in ("policy.json", "vault-policy.json"):
            policy = json.loads((ROOT / "deploy/terraform" / name).read_text(encoding="utf-8"))
            # Of inline policies of a role, without white space.
            self.assertLess(len(json.dumps(policy, separators=(",", ":"))), 10240)


if __name__ == "__main__":
    unittest.main()
