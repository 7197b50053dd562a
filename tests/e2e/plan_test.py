"""A plan of two machines: written as a file, checked, failed over step by step with an approval and a script, killed in
the middle, and from an earlier recovery point."""

import json
import os
import signal
import subprocess
import time
import unittest

from scene import BINARY, CommandFailed, Scene, http_get

PLAN = """
name: dr
account: aws
production:
  instance_type: auto
  subnet_id: {subnet}
  security_group_ids: [{group}]
  private_ip: same-host
machines:
  - machine: web
    production: {{same_host_as: 192.168.7.20, tags: {{tier: front}}}}
  - machine: db
    production: {{same_host_as: 192.168.7.30}}
steps:
  - name: database
    machines: [db]
  - name: front
    machines: [web]
    approval: true
    script: |
      echo "$REKINDLE_MACHINES" > {folder}/told.json
      echo the name service knows it
"""


class PlanOfTwo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = cls.enterClassContext(Scene("bios"))
        cls.scene.set_up()
        cls.scene.add_machine("db")
        cls.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", "web",
                      "--machine", "db")
        cls.apply()
        for machine in ("web", "db"):
            cls.scene.json("backup", "run", machine)
        cls.scene.run("replicate", "run", "dr")

    @classmethod
    def apply(cls, change=lambda text: text, check=True):
        region = cls.scene.sandbox["region"]
        file = os.path.join(cls.scene.directory, "plan.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(change(PLAN.format(subnet=region["subnet_id"], group=region["security_group_id"],
                                         folder=cls.scene.directory)))
        return cls.scene.run("plan", "apply", file, check=check)

    def setUp(self):
        self.apply()
        self.addCleanup(self.scene.run, "failover", "clean-up", "dr")

    def live_instances(self):
        return [one for one in self.scene.inventory()["instances"]
                if one["state"] not in ("terminated", "shutting-down", "proxy") and one["image_id"]]

    def run_of_plan(self):
        return [job for job in self.scene.json("job", "list") if job["kind"] == "plan_failover"][-1]

    def begin(self):
        process = subprocess.Popen([BINARY, "failover", "start", "dr", "--test", "--json"], text=True,
                                   env={**os.environ, **self.scene.env()}, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        while True:
            jobs = [job for job in self.scene.json("job", "list") if job["kind"] == "plan_failover"]
            steps = jobs[-1]["data"].get("steps", {}) if jobs and jobs[-1]["state"] == "running" else {}
            if steps.get("front", {}).get("state") == "waits for an approval":
                return process
            self.assertIsNone(process.poll(), "it ended before it asked")
            time.sleep(0.1)

    def test_the_file_is_shown_compared_and_checked(self):
        exported = self.scene.run("plan", "export", "dr")[1]
        self.assertTrue(exported.startswith("name: dr\naccount: aws\n"), exported)
        file = os.path.join(self.scene.directory, "same.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(exported)
        self.assertIn("is as the file says", self.scene.run("plan", "apply", file)[1])
        changed = self.apply(lambda text: text.replace("instance_type: auto", "instance_type: t3.medium"))[1]
        self.assertIn("production.instance_type: auto -> t3.medium", changed)
        for wrong, says in (("machine: db", "machine: [db]"), ("approval: true", "approvel: true"),
                            ("machines: [web]", "machines: [mail]"), ("auto", "auto\n  vpc: x")):
            status, _, err = self.apply(lambda text, a=wrong, b=says: text.replace(a, b, 1), check=False)
            self.assertEqual(status, 1, says)
            self.assertIn("plan.yaml", err)
        self.assertIn("steps[1].approvel", self.apply(lambda t: t.replace("approval", "approvel"), check=False)[2])

    def test_the_check_says_what_would_happen(self):
        report = self.scene.json("plan", "check", "dr", "--test")
        self.assertEqual([one for one in report["findings"] if one["light"] == "red"], [])
        self.assertIn("t3.", next(one["sentence"] for one in report["findings"] if one["topic"] == "launch"))
        with self.assertRaises(CommandFailed) as failed:
            self.apply(lambda text: text.replace("192.168.7.30", "192.168.7.20"))
            self.scene.run("plan", "check", "dr")
        self.assertIn("see what is red", failed.exception.err)

    def test_the_check_asks_for_quotas_keys_and_roles(self):
        def findings(light):
            out = self.scene.run("plan", "check", "dr", "--json", check=False)[1]
            return [one["sentence"] for one in json.loads(out)["findings"]
                    if one["light"] == light and one["topic"] != "encryption"]

        def account_has(what, body):
            self.scene.region_request("POST", "/rekindle-sandbox/" + what, body)

        self.addCleanup(account_has, "quotas", {"vcpus": None})
        self.assertEqual(findings("red"), [])
        account_has("quotas", {"vcpus": 3})
        (quota,) = findings("red")
        self.assertIn("may run 3 vCPUs", quota)
        self.assertIn("the plan wants 4 more", quota)
        account_has("quotas", {"vcpus": 4})
        settings = "instance_type: auto\n  instance_profile: web-role\n  volumes: {kms_key: alias/dr}"
        self.apply(lambda text: text.replace("instance_type: auto", settings))
        self.assertIn("KMS has no key 'alias/dr'", findings("red")[0])
        account_has("keys", {"id": "k-1", "alias": "alias/dr", "state": "Disabled"})
        self.assertIn("aws kms enable-key", findings("red")[0])
        account_has("keys", {"id": "k-1", "alias": "alias/dr"})
        self.assertIn("IAM has no instance profile 'web-role'", findings("red")[0])
        account_has("instance-profiles", {"name": "web-role", "role": "web"})
        self.assertEqual(findings("red"), [])
        out = self.scene.run("plan", "check", "dr", "--json", check=False)[1]
        self.assertIn(("encryption", "red"), [(one["topic"], one["light"]) for one in json.loads(out)["findings"]],
                      "the copies were made before their machines were to start encrypted")
        status, _, err = self.scene.run("failover", "start", "dr", "--test", check=False)
        self.assertEqual(status, 1)
        self.assertIn("db is to start on encrypted volumes, and its DR copy leaves out zeros", err)
        self.assertIn("'rekindle replicate run dr'", err)
        self.assertEqual(self.live_instances(), [])

    def test_the_copies_hold_what_their_recovery_points_say(self):
        self.scene.run("replicate", "verify", "dr", "--all")
        (db,) = self.scene.json("replicate", "verify", "dr", "--machine", "db")
        current = next(one for one in self.scene.json("replicate", "list")
                       if one["machine"] == "db" and one["state"] == "current")
        self.assertEqual((db["dr_copy_id"], db["recovery_point_id"]), (current["id"], current["recovery_point_id"]))
        self.assertEqual(db["blocks_differing"], 0)
        (all_of_db,) = self.scene.json("replicate", "verify", "dr", "--machine", "db", "--all")
        self.assertGreater(db["blocks_compared"], 0)
        self.assertGreaterEqual(all_of_db["blocks_compared"], db["blocks_compared"])
        status, _, err = self.scene.run("replicate", "verify", "dr", "--machine", "mail", check=False)
        self.assertEqual(status, 1)
        self.assertIn("the plan dr has no machine 'mail'; it has: ", err)

    def test_what_it_costs(self):
        cost = self.scene.json("plan", "cost", "dr")
        self.assertTrue(cost["estimate"])
        self.assertGreater(cost["month"], 0)
        self.assertAlmostEqual(cost["failover_day"], 24 * cost["failover_hour"])
        types = {line["what"] for line in cost["lines"] if line["of"] == "failover_hour"}
        self.assertTrue(any(what.startswith("instance t3.") for what in types), types)
        file = os.path.join(self.scene.directory, "prices.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write("currency: EUR\nimage_gib_month: 0.10\n")
        dearer = self.scene.json("plan", "cost", "dr", "--prices", file)
        self.assertEqual(dearer["currency"], "EUR")
        self.assertAlmostEqual(dearer["month"], 2 * cost["month"], places=3)
        text = self.scene.run("plan", "cost", "dr")[1]
        self.assertIn("An estimate in USD from list prices", text)
        self.assertIn("nothing says how often its DR copy is updated", text)
        with open(file, "w", encoding="utf-8") as out:
            out.write("image_gib: 1\n")
        status, _, err = self.scene.run("plan", "cost", "dr", "--prices", file, check=False)
        self.assertEqual(status, 1)
        self.assertIn("there is no image_gib in prices", err)

    def test_steps_an_approval_a_script_and_their_times(self):
        """The one that waits until the services answer: booting is what takes long here."""
        self.apply(lambda text: text.replace("  private_ip:", "  health_check: http://{public_ip}/ready\n  private_ip:", 1))
        process = self.begin()
        (database,) = self.live_instances()
        self.assertEqual(database["private_ip"], "10.20.1.30")
        self.scene.run("failover", "approve", "dr")
        out, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        run = json.loads(out)["data"]
        self.assertEqual(run["machines"]["web"]["private_ip"], "10.20.1.20")
        self.assertLess(run["machines"]["db"]["finished"], run["machines"]["web"]["launched"])
        self.assertEqual(run["steps"]["front"]["script_output"], "the name service knows it\n")
        with open(os.path.join(self.scene.directory, "told.json"), encoding="utf-8") as file:
            self.assertEqual(sorted(json.load(file)), ["db", "web"])
        for one in self.scene.json("failover", "list"):
            if one["state"] == "running":
                http_get(f"http://{one['public_ip']}/ready", timeout=10)
        self.assertEqual(len(self.live_instances()), 2)
        self.scene.run("failover", "clean-up", "dr")
        report = self.scene.json("plan", "check", "dr")
        self.assertGreater(report["forecast_seconds"], 0)

    def test_killed_while_it_waits_it_goes_on_and_starts_nothing_twice(self):
        process = self.begin()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertEqual(len(self.live_instances()), 1)
        run = self.run_of_plan()["id"]
        again = self.begin()
        self.assertEqual(self.run_of_plan()["id"], run, "it is the same run that goes on")
        self.assertEqual(len(self.live_instances()), 1, "the database is not started again")
        self.scene.run("failover", "approve", "dr")
        self.assertEqual(again.wait(), 0)
        self.assertEqual(len(self.live_instances()), 2)
        self.assertEqual(self.run_of_plan()["state"], "succeeded")

    def test_what_was_killed_and_cleaned_up_starts_from_the_beginning(self):
        process = self.begin()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.scene.run("failover", "clean-up", "dr")
        self.assertEqual(self.live_instances(), [])
        again = self.begin()
        self.assertEqual(len(self.live_instances()), 1, "the database is started again")
        self.scene.run("failover", "approve", "dr")
        self.assertEqual(again.wait(), 0)
        self.assertEqual(len(self.live_instances()), 2)

    def test_a_machine_that_fails_ends_it_and_the_next_try_takes_the_rest(self):
        self.scene.region_fault(action="RunInstances", kind="instance_dies", code="Server.InternalError")
        self.apply(lambda text: text.replace("    approval: true\n", ""))
        with self.assertRaises(CommandFailed) as failed:
            self.scene.run("failover", "start", "dr", "--test")
        self.assertIn("step 'database': the instance", failed.exception.err)
        self.assertEqual(self.live_instances(), [])
        self.scene.run("failover", "start", "dr", "--test", "--machine", "db")
        self.scene.run("failover", "start", "dr", "--test")  # what runs already is left alone
        self.assertEqual(len(self.live_instances()), 2)

    def test_from_an_earlier_recovery_point(self):
        self.apply(lambda text: text.replace("    approval: true\n", ""))
        first = next(one for one in self.scene.json("backup", "list") if one["machine"]["name"] == "web")
        http_get(self.scene.source_url("/scatter?mib=2&seed=9"), timeout=60)
        self.scene.back_up()
        self.scene.run("replicate", "run", "dr")
        copies = sorted(one["id"] for one in self.scene.json("replicate", "list"))
        self.scene.run("failover", "start", "dr", "--test", "--machine", "web", "--as-of", first["time"])
        failover = self.scene.failover()
        self.assertEqual(failover["recovery_point_id"], first["id"])
        self.assertEqual(sorted(one["id"] for one in self.scene.json("replicate", "list")), copies)
        self.assertEqual(len(self.scene.inventory()["snapshots"]), 2, "the copy aside is gone")


if __name__ == "__main__":
    unittest.main()
