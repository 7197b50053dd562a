"""Where an account's credentials come from: a key, the environment, a profile, the instance's role, and a role that is
assumed with any of these. And what the audit of an account finds there and removes."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import unittest
import urllib.request

from scene import DIRECT, ServersOnly

EXTERNAL_ID = "only-the-proxy-says-this"


class AccountCredentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = cls.enterClassContext(ServersOnly())
        cls.region = cls.scene.sandbox["region"]
        cls.scene.region_request("POST", "/rekindle-sandbox/roles", {"name": "dr", "external_id": EXTERNAL_ID})
        cls.scene.region_request("POST", "/rekindle-sandbox/roles", {"name": "proxy", "of_instances": True})

    def add(self, name, *options, env=None, check=True):
        return self.scene.run("account", "add", name, "--region", self.region["name"], "--endpoint",
                              self.region["endpoint"], *options, env=env, check=check)

    def role(self, name):
        return f"arn:aws:iam::{self.account_id()}:role/{name}"

    def account_id(self):
        return self.add("who", "--access-key-id", self.region["access_key_id"])[1].split("account ")[1].split(" ")[0]

    def keys(self):
        return {"AWS_ACCESS_KEY_ID": self.region["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": self.region["secret_access_key"]}

    def assert_home_does_not_hold(self, secret):
        """In no file, also none beside the catalog (its log), and not as what anybody can read back."""
        data = secret.encode()
        # Where in a longer text it stands decides how its base64 looks; without the ends, which its neighbours change.
        encoded = [base64.b64encode(b"\0" * before + data)[4:-4] for before in range(3)]
        for file in pathlib.Path(self.scene.home).rglob("*"):
            content = file.read_bytes() if file.is_file() else b""
            for form in (data, data.hex().encode(), *encoded):
                # Not assertNotIn, which would print the catalog.
                self.assertFalse(form in content, f"{file} holds a secret: {form}")

    def session_of_the_proxy(self):
        """Temporary keys as the environment holds them, with their session token."""
        def ask(path, method="GET", **headers):
            request = urllib.request.Request(self.region["endpoint"] + "/latest/" + path, method=method,
                                             data=b"" if method == "PUT" else None)
            for name, value in headers.items():
                request.add_header("X-aws-ec2-metadata-" + name.replace("_", "-"), value)
            with DIRECT.open(request, timeout=10) as answer:
                return answer.read().decode()

        token = ask("api/token", "PUT", token_ttl_seconds="60")
        keys = json.loads(ask("meta-data/iam/security-credentials/proxy", token=token))
        return {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["Token"]}

    def test_a_key_is_kept_and_its_secret_is_sealed(self):
        self.add("static", "--access-key-id", self.region["access_key_id"])
        # The search finds what is not secret and stands beside it.
        with self.assertRaisesRegex(AssertionError, r"catalog\.db\S* holds"):
            self.assert_home_does_not_hold(self.region["access_key_id"])
        self.assert_home_does_not_hold(self.region["secret_access_key"])

    def test_a_session_of_the_environment_is_not_kept(self):
        session = self.session_of_the_proxy()
        self.assertIn("Registered session", self.add("session", "--environment", env=session)[1])
        self.assert_home_does_not_hold(session["AWS_SECRET_ACCESS_KEY"])
        self.assert_home_does_not_hold(session["AWS_SESSION_TOKEN"])

    def test_the_environment(self):
        self.assertIn("Registered env", self.add("env", "--environment", env=self.keys())[1])
        status, _, err = self.add("env2", "--environment", env={"AWS_ACCESS_KEY_ID": ""}, check=False)
        self.assertNotEqual(status, 0)
        self.assertIn("set AWS_ACCESS_KEY_ID", err)

    def test_a_profile_with_a_role(self):
        config = os.path.join(self.scene.directory, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[profile base]\naws_access_key_id = {self.region['access_key_id']}\n"
                       f"aws_secret_access_key = {self.region['secret_access_key']}\n"
                       f"[profile dr]\nrole_arn = {self.role('dr')}\nsource_profile = base\n"
                       f"external_id = {EXTERNAL_ID}\n")
        files = {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        self.assertIn("Registered ops", self.add("ops", "--profile", "dr", env=files)[1])
        err = self.add("ops2", "--profile", "nobody", env=files, check=False)[2]
        self.assertIn("there is no AWS profile 'nobody'", err)

    def test_the_instances_role(self):
        metadata = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.region["endpoint"]}
        self.assertIn("Registered ec2", self.add("ec2", "--instance-role", env=metadata)[1])
        nowhere = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
        self.assertIn("only on an EC2 instance", self.add("ec3", "--instance-role", env=nowhere, check=False)[2])

    def test_an_assumed_role(self):
        key = ("--access-key-id", self.region["access_key_id"])
        role = ("--assume-role", self.role("dr"))
        self.add("assumed", *key, *role, "--external-id", EXTERNAL_ID)
        shown = self.scene.json("account", "show", "assumed")
        self.assertEqual((shown["credentials"], shown["role_arn"]), ("access_key", self.role("dr")))
        self.assertNotIn(EXTERNAL_ID, json.dumps(shown))
        self.assert_home_does_not_hold(EXTERNAL_ID)
        err = self.add("assumed2", *key, *role, "--external-id", "wrong", check=False)[2]
        self.assertIn(self.role("dr") + " may not be assumed: its trust policy", err)

    def test_the_policies_of_an_assumed_role(self):
        caller = "arn:aws:iam::111122223333:role/proxy"
        self.add("away", "--access-key-id", self.region["access_key_id"], "--assume-role", self.role("dr"),
                 "--external-id", EXTERNAL_ID)
        policies = json.loads(self.scene.run("account", "policy", "away", "--assume-role", "--caller", caller)[1])
        (trust,) = policies["trust_policy"]["Statement"]
        self.assertEqual(trust["Principal"], {"AWS": caller})
        self.assertEqual(trust["Condition"], {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}})
        (asks,) = policies["caller_policy"]["Statement"]
        self.assertEqual((asks["Action"], asks["Resource"]), ("sts:AssumeRole", self.role("dr")))
        before = self.scene.json("account", "policy", "--assume-role", "--role", self.role("dr"), "--external-id",
                                 EXTERNAL_ID, "--caller", caller)
        self.assertEqual(before, policies, "before the account is added, too")
        self.add("here", "--access-key-id", self.region["access_key_id"])
        for options, says in ((("here", "--assume-role", "--caller", caller), "say which role is assumed"),
                              (("away", "--assume-role", "--caller", "proxy"), "is not who may assume a role"),
                              (("away", "--assume-role"), "--caller"), (("away", "--caller", caller), "--assume-role")):
            status, _, err = self.scene.run("account", "policy", *options, check=False)
            self.assertNotEqual(status, 0, options)
            self.assertIn(says, err, options)

    def test_one_kind_of_credentials_is_asked_for(self):
        for options in ((), ("--environment", "--instance-role"), ("--external-id", "x", "--environment")):
            status, _, err = self.add("none", *options, check=False)
            self.assertNotEqual(status, 0, options)
            self.assertRegex(err, "one of --access-key-id|--assume-role", options)
        self.assertNotIn("none", [one["name"] for one in self.scene.json("account", "list")])


class AccountAudit(unittest.TestCase):
    """What carries this installation's tags and is not listed is named, and removed when the user says so. All else in
    the account is somebody else's."""

    def test_orphans_go_when_the_user_says_so_and_nothing_else_does(self):
        self.scene = self.enterContext(ServersOnly())
        self.scene.add_account()
        foreign = sorted(self.foreign_things())
        self.assertIn("0 objects of ours, 0 orphans, 0 lost", self.scene.run("account", "audit", "aws")[1])
        ours = self.tags("rekindle-nobody-knows-it", self.installation())
        orphans = [self.volume(ours), self.snapshot(ours)]
        all_of_it = sorted(foreign + orphans)
        self.names_orphans(orphans, "remove it with --remove")
        self.names_orphans(orphans, "nothing was removed; say --yes", "--remove")
        self.names_orphans(orphans, "remove it with --remove", "--yes")
        self.assertEqual(self.there(), all_of_it)
        self.assertIn("2 orphans are gone", self.scene.run("account", "audit", "aws", "--remove", "--yes")[1])
        self.assertEqual(self.there(), foreign)
        for options in ((), ("--remove", "--yes")):
            self.assertIn("0 objects of ours, 0 orphans, 0 lost",
                          self.scene.run("account", "audit", "aws", *options)[1])
        self.assertEqual(self.there(), foreign)

    def names_orphans(self, orphans, says, *options):
        status, out, err = self.scene.run("account", "audit", "aws", *options, check=False)
        self.assertEqual(status, 1, err)
        rows = [line for line in out.splitlines() if "ORPHAN" in line]
        self.assertEqual(len(rows), len(orphans), out)
        for orphan in orphans:
            self.assertTrue(any(orphan in row for row in rows), out)
        self.assertIn(f"{len(orphans)} objects of ours, {len(orphans)} orphans, 0 lost", out)
        self.assertIn(says, err)

    def foreign_things(self):
        """Without a tag, with a token that is nobody's, of another installation, and with our mark but no token."""
        several = ({}, {"rekindle:token": "t"}, self.tags("t", "0123456789abcdef"),
                   {"rekindle:installation": self.installation()})
        return [make(tags) for tags in several for make in (self.volume, self.snapshot)]

    def installation(self):
        """By the key of the home. It must not change between versions: the audit would not know what is ours."""
        with open(os.path.join(self.scene.home, "secret.key"), encoding="utf-8") as file:
            key = bytes.fromhex(file.read().strip())
        return hmac.new(key, b"rekindle installation", hashlib.sha256).hexdigest()[:16]

    def tags(self, token, installation):
        return {"rekindle:token": token, "rekindle:installation": installation}

    def volume(self, tags):
        words = {"TagSpecification_1_ResourceType": "volume"} if tags else {}
        for number, (key, value) in enumerate(tags.items(), 1):
            words[f"TagSpecification_1_Tag_{number}_Key"] = key
            words[f"TagSpecification_1_Tag_{number}_Value"] = value
        zone = self.scene.sandbox["region"]["name"] + "a"
        return self.scene.ec2().call("CreateVolume", AvailabilityZone=zone, Size="1", **words).findtext("volumeId")

    def snapshot(self, tags):
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        return self.scene.ec2().start_snapshot(VolumeSize=1, Tags=listed)

    def there(self):
        inventory = self.scene.inventory()
        return sorted(one["id"] for kind in ("volumes", "snapshots") for one in inventory[kind]
                      if one["state"] != "deleting")


if __name__ == "__main__":
    unittest.main()
