"""A test failover waits for a replication that lives. Meanwhile the user gives it up, its process dies, or that of the
replication does: the replication is left alone, and nothing is started twice or forgotten."""

import os
import signal
import subprocess
import time
import unittest

from crash_world import START, lives, world_of
from scene import BINARY

# Each of these calls takes so long that the replication outlives what is done to the failover.
SLOW = ("StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "ListSnapshotBlocks")
CALL_MS = 4000


class InterruptedWhileItWaits(unittest.TestCase):
    def test_the_replication_goes_on_and_nothing_is_lost(self):
        self.world = world_of(self)
        for give_up in (self.press_ctrl_c, self.terminate, self.cancel_its_job):
            with self.subTest(give_up=give_up.__name__):
                self.given_up(give_up)
        for go_on in (START, ("job", "resume")):
            for beside_it in (True, False):
                with self.subTest(go_on=go_on, beside_it=beside_it):
                    self.killed(go_on, beside_it)
        with self.subTest("the replication dies"):
            self.the_replication_dies()
        with self.subTest("both die"):
            self.both_die()

    # How its user ends it.

    def press_ctrl_c(self, failover):
        failover.send_signal(signal.SIGINT)

    def terminate(self, failover):
        failover.send_signal(signal.SIGTERM)

    def cancel_its_job(self, _):
        self.world.scene.run("job", "cancel", self.newest("plan_failover")["id"])

    # What becomes of it.

    def given_up(self, give_up):
        replication, failover = self.begin_both()
        give_up(failover)
        _, err = failover.communicate()
        self.assertEqual(failover.returncode, 1, err)
        self.assertIn("cancelled by the user", err)
        self.assertEqual(self.newest("plan_failover")["state"], "cancelled")
        self.assert_nothing_was_started()
        self.assert_it_lives(replication)
        self.finish(replication)
        self.assert_nothing_was_started()
        self.world.check()

    def killed(self, go_on, beside_it):
        """And gone on with, while the replication lives, or when it has ended."""
        replication, failover = self.begin_both()
        self.kill(failover)
        run = self.newest("plan_failover")["id"]
        self.assert_nothing_was_started()
        if not beside_it:
            self.finish(replication)
            self.assertEqual([job["id"] for job in self.world.unfinished()], [run])
        self.world.scene.run(*go_on)
        if beside_it:
            self.finish(replication)
        self.assertEqual(self.newest("plan_failover")["id"], run, "it is the same run that went on")
        self.check_and_end(self.newest_point())

    def the_replication_dies(self):
        """What it has written so far goes, and the machine starts from the copy that is there."""
        (before,) = self.world.scene.json("replicate", "list")
        replication, failover = self.begin_both()
        self.kill(replication)
        _, err = failover.communicate()
        self.assertEqual(failover.returncode, 0, err)
        self.assertEqual(self.newest("replicate")["state"], "cancelled")
        self.check_and_end(before["recovery_point_id"])
        self.assertEqual(self.world.scene.json("replicate", "list"), [before])

    def both_die(self):
        (before,) = self.world.scene.json("replicate", "list")
        replication, failover = self.begin_both()
        self.kill(failover)
        self.kill(replication)
        self.world.check_copy()
        self.world.scene.run(*START)
        self.assertEqual(self.newest("replicate")["state"], "cancelled")
        self.check_and_end(before["recovery_point_id"])
        self.assertEqual(self.world.scene.json("replicate", "list"), [before])

    # A replication that lives, and a failover that waits for it.

    def begin_both(self):
        world = self.world
        world.write()
        world.scene.back_up()
        for action in SLOW:
            world.scene.region_fault(action=action, kind="latency", delay_ms=CALL_MS, times=-1)
        replication = self.begin(*world.commands["replicate"])
        while not self.is_writing():
            self.assertIsNone(replication.poll(), "the replication was over too soon")
            time.sleep(0.05)
        failover = self.begin(*START, "--json")  # which says at once that it waits
        said = failover.stderr.readline()
        self.assertIn(f"Waiting for replicate {self.newest('replicate')['id']} of web", said)
        time.sleep(1)  # two looks of its wait
        self.assertIsNone(failover.poll(), "it did not wait")
        self.assert_it_lives(replication)
        return replication, failover

    def begin(self, *command):
        process = subprocess.Popen([BINARY, *command], env={**os.environ, **self.world.scene.env()}, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        return process

    def is_writing(self):
        job = self.newest("replicate")
        return (job["state"], job["step"]) == ("running", "write")

    def newest(self, kind):
        return [job for job in self.world.scene.json("job", "list") if job["kind"] == kind][-1]

    def newest_point(self):
        return self.world.scene.json("backup", "list")[-1]["id"]

    def kill(self, process):
        process.kill()
        process.communicate()

    def finish(self, replication):
        """It ends as if nobody had waited for it."""
        self.world.scene.region_request("DELETE", "/rekindle-sandbox/faults")
        _, err = replication.communicate()
        self.assertEqual(replication.returncode, 0, err)
        self.assertEqual(self.newest("replicate")["state"], "succeeded")
        (copy,) = self.world.scene.json("replicate", "list")
        self.assertEqual(copy["recovery_point_id"], self.newest_point())

    # What must be true.

    def assert_it_lives(self, replication):
        self.assertIsNone(replication.poll(), "the replication was over too soon")
        self.assertEqual(self.newest("replicate")["state"], "running")

    def assert_nothing_was_started(self):
        inventory = self.world.scene.inventory()
        self.assertEqual(self.world.failovers(), [])
        self.assertEqual([one["id"] for one in inventory["instances"] if lives(one)], [])
        self.assertEqual(inventory["images"], [])

    def check_and_end(self, point):
        self.world.scene.region_request("DELETE", "/rekindle-sandbox/faults")
        self.world.check()
        (failover,) = self.world.failovers()
        self.assertEqual(failover["recovery_point_id"], point)
        self.world.end_failovers()


if __name__ == "__main__":
    unittest.main()
