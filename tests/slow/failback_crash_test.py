"""Killed at every step of the way home, and started again: the machine is alive at exactly one site, nothing is lost and
nothing is left behind. Then a second disaster in the middle."""

import json
import unittest

from scene import Scene, http_get, ledger_lines, wait_for_http
from vim import Vim, wait_until

# While the instance runs, and after it was told to stop.
BEFORE = ["check/done", "prepare/intended", "prepare/made", "prepare/saved", "pass/writing", "copy/before", "copy/saved",
          "mark/made", "mark/saved"]
AFTER = ["stop/intended", "stop/done", "last_copy/before", "last_copy/saved", "start/intended", "start/done",
         "wait_service/done", "record/before", "record/done", "tidy/before"]


class KilledOnTheWayHome(unittest.TestCase):
    def setUp(self):
        self.scene = self.enterContext(Scene("bios"))
        self.scene.set_up()
        self.scene.apply_plan(lambda plan: plan.update(failback={"health_check": self.scene.source_url("/ready")}))

    def go_away(self):
        Vim(self.scene.sandbox["datacenter"]).power_off(self.scene.web["id"])
        wait_until(lambda: self.scene.machine_status()["power"] == "poweredOff")
        self.scene.back_up()
        self.scene.run("failover", "clean-up", "dr")
        self.scene.replicate()
        self.assertEqual(self.scene.fail_over()["state"], "succeeded")

    def instances(self):
        return [one["state"] for one in self.scene.inventory()["instances"] if one["state"] != "terminated"]

    def expect_not_both(self):
        at_home = self.scene.machine_status()["power"] == "poweredOn"
        away = "running" in self.instances() or "pending" in self.instances()
        self.assertFalse(at_home and away)

    def die_at(self, point):
        status, _, err = self.scene.run("failback", "start", "dr", env={"REKINDLE_KILL_AT": f"failback/{point}"},
                                        check=False)
        self.assertEqual(status, -9, f"{point}: {err}")
        self.expect_not_both()

    def come_home(self, there):
        job = self.scene.json("failback", "start", "dr")
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.expect_not_both()
        wait_for_http(self.scene.source_url("/ready"))
        home = ledger_lines(http_get(self.scene.source_url("/ledger")))
        self.assertEqual(home[:len(there)], there)
        self.assertEqual(self.scene.machine_snapshots(), [])

    def test_at_every_step(self):
        self.scene.back_up()
        self.go_away()
        for point in BEFORE:
            with self.subTest(point):
                self.die_at(point)
                self.scene.run("failback", "cancel", "dr")
                self.assertEqual(self.instances(), ["running"])
        for point in AFTER:
            with self.subTest(point):
                there = ledger_lines(http_get(self.scene.instance_url("/ledger"), timeout=10))
                self.die_at(point)
                self.come_home(there)
                self.go_away()
        self.assertIn("0 orphans", self.scene.run("account", "audit", "aws")[1])

    def test_the_datacenter_is_lost_again(self):
        self.scene.back_up()
        self.go_away()
        there = ledger_lines(http_get(self.scene.instance_url("/ledger"), timeout=10))
        self.die_at("start/done")
        self.scene.strike()
        refused = self.scene.run("failback", "cancel", "dr", check=False)
        self.assertNotEqual(refused[0], 0)
        self.assertIn("--datacenter-is-down", refused[2])
        self.scene.run("failback", "cancel", "dr", "--datacenter-is-down")
        wait_until(lambda: self.instances() == ["running"])
        instance, = [one for one in self.scene.inventory()["instances"] if one["state"] == "running"]
        wait_for_http(f"http://{instance['public_ip']}/ready")
        again = ledger_lines(http_get(f"http://{instance['public_ip']}/ledger", timeout=10))
        self.assertEqual(again[:len(there)], there)
        self.scene.start_servers("--revive")
        self.come_home(again)


if __name__ == "__main__":
    unittest.main()
