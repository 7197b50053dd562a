"""Killed where tests/e2e/crash_test does not: in a plan's failover, while its script runs, from an earlier state, from
copies that are ready to boot, and in the daemon."""

import os
import signal
import subprocess
import time
import unittest

from crash_world import REPLICATE, START, crash_points, world_of
from scene import BINARY

PLAN = ["plan_failover/created", "plan_failover/workflow/before", "plan_failover/step", "plan_failover/workflow/done",
        "plan_failover/workflow/saved", "plan_failover/tidy/before", "plan_failover/tidy/done"]
STEPS = ["check", "convert", "register", "launch", "wait_running", "adjust", "wait_service", "record", "tidy"]


class PlanFailoverKilledAtEveryPoint(unittest.TestCase):
    def test_it_goes_on(self):
        world = world_of(self)
        for turn, point in enumerate(2 * PLAN):
            world.kill_and_come_back(point, by_next_command=turn < len(PLAN))
            self.assertEqual(len(world.failovers()), 1)
            world.end_failovers()


class FailoverOfReadyCopiesKilledAtEveryPoint(unittest.TestCase):
    def test_converted_ahead(self):
        self.kill_at(world_of(self), crash_points("failover", STEPS, {step: ["intended", "made"]
                                                                      for step in ("register", "launch")}))

    def test_from_an_ami(self):
        self.kill_at(world_of(self, workflow="ami"), crash_points("failover", STEPS, {"launch": ["intended", "made"]}))

    def kill_at(self, world, points):
        for turn, point in enumerate(points):
            world.kill_and_come_back(point, by_next_command=turn % 2 == 1)
            self.assertEqual(len(world.failovers()), 1)
            world.end_failovers()


class ScriptKilled(unittest.TestCase):
    def test_it_is_run_again_and_nothing_is_started_twice(self):
        world = world_of(self)
        log = os.path.join(world.scene.directory, "script.log")
        script = f"echo begun >> {log}; [ $(wc -l < {log}) -gt 1 ] || sleep 30"
        world.scene.apply_plan(lambda plan: plan.update(
            steps=[{"name": "front", "machines": ["web"], "script": script}]))
        process = subprocess.Popen([BINARY, *START], env={**os.environ, **world.scene.env()},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(log):
            self.assertIsNone(process.poll(), "it was over before its script ran")
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        world.check_once()
        world.scene.run(*START)
        world.check()
        self.assertEqual(len(world.failovers()), 1)
        with open(log, encoding="utf-8") as lines:
            self.assertEqual(lines.read().split(), ["begun", "begun"])
        world.end_failovers()


class FailoverOfAnEarlierStateKilled(unittest.TestCase):
    def test_it_starts_from_that_state_all_the_same(self):
        world = world_of(self)
        earlier = world.scene.json("backup", "list")[-1]
        world.write()
        world.scene.back_up()
        world.scene.replicate()
        start = (*START, "--as-of", earlier["time"])
        world.commands.update(replicate=start, plan_failover=start)
        for point in [*REPLICATE, *PLAN]:
            with self.subTest(point=point):
                world.kill(point)
                world.scene.run(*start)
                world.check()
                (failover,) = world.failovers()
                self.assertEqual(failover["recovery_point_id"], earlier["id"])
                world.end_failovers()


class CleanedUpInPlaceOfFinished(unittest.TestCase):
    """The failover is given up after its process died, at once or when AWS's lists show what it made."""
    POINTS = ("failover/register/made", "failover/launch/intended", "failover/launch/made", "failover/launch/saved",
              "failover/wait_running/done", "failover/wait_service/before", "failover/record/before",
              "failover/record/done", "plan_failover/workflow/done")

    def test_nothing_is_left_and_protection_goes_on(self):
        world = world_of(self)
        for point in self.POINTS:
            with self.subTest(point=point):
                world.kill(point)
                world.end_failovers()
                world.write()
                newest = world.scene.back_up()["data"]["point"]["id"]
                world.scene.run("serve", "--once")
                (copy,) = world.scene.json("replicate", "list")
                self.assertEqual(copy["recovery_point_id"], newest)


class DaemonKilledWhileItReplicates(unittest.TestCase):
    POINTS = ("replicate/start_images/made", "replicate/write/window", "replicate/write/completed", "replicate/verify/before",
              "replicate/switch/done", "replicate/remove_old/done")

    def test_the_next_one_goes_on(self):
        world = world_of(self)
        world.commands["replicate"] = ("serve", "--once")
        for point in self.POINTS:
            world.write()
            newest = world.scene.back_up()["data"]["point"]["id"]
            world.kill_and_come_back(point, by_next_command=True)
            (copy,) = world.scene.json("replicate", "list")
            self.assertEqual(copy["recovery_point_id"], newest)


if __name__ == "__main__":
    unittest.main()
