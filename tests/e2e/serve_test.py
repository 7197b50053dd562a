"""The daemon keeps schedules: it backs up and replicates what is due, and goes on after it was killed."""

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


if __name__ == "__main__":
    unittest.main()
