"""What a person does wrong, or what breaks under them: one sentence that says what to do, an exit status, and
nothing half-made left at either site."""

import json
import os
import unittest

from bad_input import BadInput
from scene import rekindle

UNREACHABLE = "127.0.0.1:9"


class BadRegistration(BadInput):
    def tearDown(self):
        self.assert_nothing_half_made()
        for noun, names in {"datacenter": ["home"], "account": ["aws"], "vault": ["main"], "policy": ["all"],
                            "plan": ["dr"]}.items():
            self.assertEqual([one["name"] for one in self.scene.json(noun, "list")], names)

    def register_datacenter(self, url=None, **options):
        url = url or self.scene.sandbox["datacenter"]["url"]
        return self.refused("datacenter", "add", "new", "--url", url, "--user", "root", **options)

    def register_account(self, endpoint=None, key=None, region="us-east-1", **options):
        known = self.scene.sandbox["region"]
        return self.refused("account", "add", "new", "--region", region, "--endpoint", endpoint or known["endpoint"],
                            "--access-key-id", key or known["access_key_id"], **options)

    def test_a_wrong_password(self):
        err = self.register_datacenter(env={"REKINDLE_PASSWORD": "not-the-password"},
                                       says=["refused user 'root'", "check the user name and the password",
                                             "rekindle datacenter add"])
        self.assertNotIn("not-the-password", err)

    def test_a_datacenter_that_cannot_be_reached(self):
        self.register_datacenter(f"https://{UNREACHABLE}/sdk", says=["cannot be reached", "check the address"])
        self.register_datacenter("https://no-such-host.invalid", says=["cannot be resolved", "DNS"])
        self.register_datacenter("nonsense://", says=["is not a URL like https://"])

    def test_an_account_that_cannot_be_reached(self):
        self.register_account(endpoint=f"http://{UNREACHABLE}", says=["cannot be reached", "check the address"])

    def test_a_wrong_secret_access_key(self):
        err = self.register_account(env={"REKINDLE_SECRET_ACCESS_KEY": "not-the-secret"},
                                    says=["its secret is wrong", "rekindle account add"])
        self.assertNotIn("not-the-secret", err)

    def test_an_unknown_access_key(self):
        self.register_account(key="AKIAUNKNOWN", says=["AWS refused the access key AKIAUNKNOWN", "check the key"])

    def test_a_wrong_region(self):
        self.register_account(region="mars-1", says=["does not serve the region", "--region"])

    def test_a_wrong_vault_passphrase(self):
        self.refused("vault", "create", "other", "--directory", self.scene.vault,
                     env={"REKINDLE_PASSPHRASE": "not this one"}, says=["passphrase does not open the vault"])

    def test_a_vault_directory_that_cannot_be_made(self):
        self.refused("vault", "create", "other", "--directory", "/proc/nothing", says=["--directory", "/proc/nothing"])

    def test_names_that_are_not_known(self):
        self.refused("backup", "run", "nobody", says=["no policy holds the machine 'nobody'", "web", "policy create"])
        self.refused("backup", "run", "--policy", "none", says=["no policy 'none'", "known: all"])
        self.refused("replicate", "run", "none", says=["no plan 'none'", "known: dr"])
        self.refused("failover", "start", "none", says=["no plan 'none'", "known: dr"])
        self.refused("failover", "start", "dr", "--machine", "nobody", says=["'nobody'", "it holds: web"])
        self.refused("failover", "clean-up", "none", says=["no plan 'none'", "known: dr"])
        self.refused("machine", "list", "--datacenter", "none", says=["no datacenter 'none'", "known: home"])
        self.refused("machine", "show", "nobody", "--datacenter", "home", says=["no machine 'nobody'", "it has: web"])
        self.refused("vault", "check", "none", says=["no vault 'none'", "known: main"])
        self.refused("job", "show", "job-none", says=["no job 'job-none'", "rekindle job list"])

    def test_settings_that_name_what_is_not_there(self):
        policy = ["policy", "create", "new", "--datacenter", "home", "--vault", "main", "--machine"]
        self.refused(*policy, "nobody", says=["home has no machine 'nobody'", "it has: web"])
        plan = ["plan", "create", "new", "--subnet", "s", "--security-group", "g", "--instance-type", "t3.small"]
        self.refused(*plan, "--account", "aws", "--machine", "nobody", says=["'nobody'", "web", "policy create"])
        self.refused(*plan, "--account", "none", "--machine", "web", says=["no account 'none'", "known: aws"])

    def test_words_that_cannot_be_understood(self):
        self.refused("frobnicate", status=2, says=["no 'frobnicate'", "datacenter", "rekindle --help"])
        self.refused("backup", status=2, says=["known: ", "run", "rekindle backup --help"])
        self.refused("backup", "run", "web", "--wrong", status=2, says=["--wrong", "rekindle backup run --help"])
        self.refused("plan", "create", "new", "--health-check-seconds", "soon", status=2,
                     says=["--health-check-seconds", "soon"])
        self.refused("policy", "create", "new", status=2, says=["--datacenter", "required"])

    def test_nothing_to_work_on(self):
        self.refused("backup", "run", says=["name a machine", "--policy"])
        self.refused("replicate", "run", "dr", says=["web has no recovery point yet", "rekindle backup run web"])
        self.refused("failover", "start", "dr", says=["web has no DR copy yet", "rekindle replicate run dr"])


class ChangedPassword(BadInput):
    def test_a_password_that_was_changed_later(self):
        known = self.scene.sandbox["datacenter"]
        self.replace_datacenter("changed")
        self.refused("backup", "run", "web", says=["refused user 'root'", "rekindle datacenter add"])
        self.replace_datacenter(known["password"])
        self.scene.run("machine", "list", "--datacenter", "home")
        self.assert_nothing_half_made()

    def replace_datacenter(self, password):
        """The datacenter starts again and takes another password than the one that is registered."""
        credentials = os.path.join(self.scene.directory, "sandbox.json")
        rekindle("sandbox", "stop", "--directory", self.scene.directory)
        with open(credentials, encoding="utf-8") as file:
            state = json.load(file)
        state["datacenter"]["password"] = password
        with open(credentials, "w", encoding="utf-8") as file:
            json.dump(state, file)
        self.scene.start_servers("--revive")


if __name__ == "__main__":
    unittest.main()
