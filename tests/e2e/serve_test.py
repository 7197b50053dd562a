"""The daemon keeps schedules: it backs up and replicates what is due, and goes on after it was killed."""

import datetime
import json
import os
import signal
import subprocess
import time
import unittest

from scene import BINARY, Scene


class Daemon(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene("bios"))
        self.scene.set_up()
        self.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", "web",
                       "--schedule", "every 1m")

    def jobs(self, kind):
        return [job for job in self.scene.json("job", "list") if job["kind"] == kind]

    def serve(self, *options, **env):
        process = subprocess.Popen([BINARY, "serve", *options], env={**os.environ, **self.scene.env(), **env},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_until(self, condition):
        while not condition():
            time.sleep(0.2)

    def test_it_does_what_is_due_and_goes_on_after_kill_9(self):
        self.scene.run("serve", "--once")
        self.assertGreaterEqual(len(self.jobs("backup")), 1)
        (copy,) = self.scene.json("replicate", "list")
        self.assertIn(copy["recovery_point_id"], [one["id"] for one in self.scene.json("backup", "list")])
        points = len(self.scene.json("backup", "list"))

        dying = self.serve(REKINDLE_KILL_AT="backup/read/written")
        self.wait_until(lambda: dying.poll() is not None)
        self.assertEqual(dying.returncode, -signal.SIGKILL)
        self.assertNotEqual(self.scene.machine_snapshots(), [], "it died in the middle")

        daemon = self.serve()
        self.wait_until(lambda: len(self.scene.json("backup", "list")) > points)
        self.wait_until(lambda: self.scene.json("replicate", "list")[0]["recovery_point_id"] != copy["recovery_point_id"])
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0, "it ends when it is told to")
        self.scene.run("job", "resume")  # what it may just have begun
        over = ("succeeded", "failed", "cancelled")
        self.assertEqual([job for job in self.scene.json("job", "list") if job["state"] not in over], [])
        self.assertEqual(self.scene.machine_snapshots(), [])

    def test_told_to_end_it_leaves_its_jobs_for_the_next_start(self):
        self.scene.back_up()
        self.scene.region_fault(action="PutSnapshotBlock", kind="latency", delay_ms=3000, skip=24, times=-1)
        daemon = self.serve()
        self.wait_until(lambda: self.scene.puts() > 20)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)
        (job,) = [one for one in self.jobs("replicate")]
        self.assertEqual(job["state"], "running", "it is neither done nor given up")
        self.scene.region_request("DELETE", "/rekindle-sandbox/faults")
        self.scene.run("serve", "--once")
        again = self.scene.json("job", "show", job["id"])
        self.assertEqual(again["state"], "succeeded", again["error"])
        self.assertEqual(len(self.scene.json("replicate", "list")), 1)

    def test_it_warns_of_plans_that_would_not_work(self):
        self.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", "web",
                       "--schedule", "daily 00:00")
        self.scene.run("serve", "--once")
        self.scene.region_request("POST", "/rekindle-sandbox/quotas", {"vcpus": 1})
        daemon = self.serve()
        line = next(line for line in daemon.stderr if "DR plan dr" in line and "quotas" in line)
        self.assertIn("quotas is red: the account may run 1 vCPUs", line)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)

    def test_a_second_look_finds_nothing_to_do(self):
        self.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", "web",
                       "--schedule", "daily 00:00")
        self.scene.run("serve", "--once")
        before = len(self.jobs("backup")) + len(self.jobs("replicate"))
        self.assertEqual(before, 2)
        self.scene.run("serve", "--once")
        self.assertEqual(len(self.jobs("backup")) + len(self.jobs("replicate")), before)


class ForgottenTest(unittest.TestCase):
    """A test failover that nobody ends is ended by the daemon when it expires."""

    def setUp(self):
        self.scene = self.enterContext(Scene("bios"))
        self.scene.set_up()
        self.scene.back_up()
        self.scene.replicate()

    def failovers(self):
        return {one["id"]: one for one in self.scene.json("failover", "list")}

    def start_test(self, *options):
        """The new failover, as it is listed."""
        before = self.failovers()
        said = self.scene.run("failover", "start", "dr", "--test", *options)[1]
        (started,) = [one for id, one in self.failovers().items() if id not in before]
        return started, said

    def finding(self):
        """What the check says of the test: its light and its sentence. (It is red: the test has production's address.)"""
        report = json.loads(self.scene.run("plan", "check", "dr", "--json", check=False)[1])
        (found,) = [one for one in report["findings"] if one["topic"] == "test"]
        return found["light"], found["sentence"]

    def live_instances(self):
        return [one["id"] for one in self.scene.inventory()["instances"] if one["state"] not in ("terminated", "proxy")]

    def sleep_until(self, when):
        end = datetime.datetime.fromisoformat(when.replace("Z", "+00:00"))
        time.sleep(max(0.0, (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) + 0.1)

    def test_it_ends_at_its_time_and_not_before(self):
        forever, said = self.start_test()
        self.assertNotIn("expires", forever)
        self.assertNotIn("expires", said)
        self.assertEqual(self.finding()[0], "green")
        self.assertIn("never expires", self.finding()[1])
        self.scene.run("failover", "clean-up", "dr")

        long, said = self.start_test("--expires-after", "8h")
        self.assertIn(f"The test expires at {long['expires']}", said)
        self.assertIn(long["expires"], self.scene.run("failover", "list")[1])
        self.assertEqual(self.scene.json("failover", "show", long["id"])["expires"], long["expires"])
        self.assertEqual(self.finding()[0], "green")
        self.assertIn(f"expires at {long['expires']}", self.finding()[1])
        self.scene.run("serve", "--once")
        self.assertEqual(self.failovers()[long["id"]]["state"], "running", "its time is not over")
        self.scene.run("failover", "clean-up", "dr")

        self.scene.apply_plan(lambda plan: plan.update(test_expires_after="1m"))
        short, _ = self.start_test()
        self.assertNotEqual(self.live_instances(), [])
        self.sleep_until(short["expires"])
        light, sentence = self.finding()
        self.assertEqual(light, "yellow")
        self.assertIn("is 'rekindle serve' running?", sentence)
        err = self.scene.run("serve", "--once")[2]
        self.assertIn(f"its test {short['id']} expired", err)
        self.assertEqual(self.failovers()[short["id"]]["state"], "released")
        self.assertEqual(self.live_instances(), [])
        self.assertEqual(len(self.scene.json("replicate", "list")), 1, "the DR copy stays")

    def test_one_that_waits_for_an_approval_is_cancelled(self):
        def with_approval(plan):
            plan["test_expires_after"] = "1m"
            plan["steps"] = [{"name": "web", "machines": ["web"], "approval": True}]

        self.scene.apply_plan(with_approval)
        waiting = subprocess.Popen([BINARY, "failover", "start", "dr", "--test"],
                                   env={**os.environ, **self.scene.env()}, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(waiting.stderr.close)
        self.addCleanup(waiting.wait)
        self.addCleanup(waiting.kill)
        runs = []
        while not runs:
            time.sleep(0.2)
            runs = [job for job in self.scene.json("job", "list") if job["kind"] == "plan_failover"]
        self.scene.run("serve", "--once")
        self.assertIsNone(waiting.poll(), "its time is not over")
        self.sleep_until(runs[0]["parameters"]["expires"])
        self.scene.run("serve", "--once")
        self.assertNotEqual(waiting.wait(), 0)
        self.assertEqual(self.scene.json("job", "show", runs[0]["id"])["state"], "cancelled")
        self.assertEqual(self.failovers(), {})

    def test_an_expiry_is_of_a_test_and_a_time(self):
        for options, says in ((("--expires-after", "8h"), "--test"),
                              (("--test", "--expires-after", "tomorrow"), "'tomorrow' says not when a test expires")):
            status, _, err = self.scene.run("failover", "start", "dr", *options, check=False)
            self.assertNotEqual(status, 0, options)
            self.assertIn(says, err)
        self.assertEqual(self.failovers(), {})


if __name__ == "__main__":
    unittest.main()
