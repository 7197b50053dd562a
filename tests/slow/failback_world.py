"""A machine that lives in the account, and what must be true of it while its way home is killed."""

import signal
import unittest

from scene import Scene, http_get, ledger_lines, wait_for_http
from vim import Vim, wait_until


class AwayFromHome(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene("bios"))
        self.scene.set_up()
        self.scene.apply_plan(lambda plan: plan.update(failback={"health_check": self.scene.source_url("/ready")}))
        self.scene.back_up()

    def go_away(self):
        Vim(self.scene.sandbox["datacenter"]).power_off(self.scene.web["id"])
        wait_until(lambda: self.scene.machine_status()["power"] == "poweredOff")
        self.scene.back_up()
        self.scene.run("failover", "clean-up", "dr")
        self.scene.replicate()
        self.assertEqual(self.scene.fail_over()["state"], "succeeded")

    def instances(self):
        return [one["state"] for one in self.scene.inventory()["instances"] if one["state"] != "terminated"]

    def unfinished(self):
        over = ("succeeded", "failed", "cancelled")
        return [job for job in self.scene.json("job", "list") if job["state"] not in over]

    def ledger_there(self):
        """Of the instance that runs, wherever it is reached now."""
        instance, = [one for one in self.scene.inventory()["instances"] if one["state"] == "running"]
        wait_for_http(f"http://{instance['public_ip']}/ready")
        return ledger_lines(http_get(f"http://{instance['public_ip']}/ledger", timeout=10))

    def expect_not_both(self):
        at_home = self.scene.machine_status()["power"] == "poweredOn"
        away = "running" in self.instances() or "pending" in self.instances()
        self.assertFalse(at_home and away)

    def die(self, command, point):
        """The command must die at the crash point."""
        status, _, err = self.scene.run(*command, env={"REKINDLE_KILL_AT": point}, check=False)
        self.assertEqual(status, -signal.SIGKILL, f"{point} was not reached: {err}")
        self.expect_not_both()

    def come_home(self, there):
        job = self.scene.json("failback", "start", "dr")
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.expect_not_both()
        wait_for_http(self.scene.source_url("/ready"))
        home = ledger_lines(http_get(self.scene.source_url("/ledger")))
        self.assertEqual(home[:len(there)], there)
        self.assertEqual(self.scene.machine_snapshots(), [])

    def expect_no_orphans(self):
        self.assertIn("0 orphans, 0 lost", self.scene.run("account", "audit", "aws")[1])
