"""The way home with a real machine: failed over, changed there, and brought back with one command."""

import json
import os
import subprocess
import sys
import time
import unittest

from scene import BINARY, Scene, http_get, ledger_lines, wait_for_http
from vim import Vim, wait_until

MIB = 2**20


def newest_failback(scene):
    return [job for job in scene.json("job", "list") if job["kind"] == "failback"][-1]


def begin_and_be_asked(test, scene, *options):
    """A failback that copies until somebody says go: its process."""
    process = subprocess.Popen([BINARY, "failback", "start", "dr", "--ask", *options], text=True,
                               env={**os.environ, **scene.env()}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    test.addCleanup(process.__exit__, None, None, None)
    test.addCleanup(process.kill)
    while True:
        status = scene.json("failback", "status", "dr")
        if status and status[0]["state"] == "waits for an approval":
            return process
        test.assertIsNone(process.poll(), "it ended before it asked")
        time.sleep(0.2)


class ComesHome(unittest.TestCase):
    """A planned failover: the VM was switched off, and lies untouched when its machine comes home."""
    variant = "bios"
    disks = 1

    def test_with_all_that_was_written_there(self):
        with Scene(self.variant) as scene:
            self.live_away(scene)
            self.prepare_home(scene)
            before = self.write_there(scene)
            self.check_plan(scene)
            scene.region_request("DELETE", "/rekindle-sandbox/calls")
            job = self.come_home(scene)
            self.check_service(scene, before)
            self.check_job(scene, job)
            self.check_account(scene)
            self.check_protection(scene)
            self.end(scene)

    def live_away(self, scene):
        scene.set_up()
        scene.apply_plan(lambda plan: plan.update(failback={"health_check": scene.source_url("/ready")}))
        scene.back_up()
        self.left = ledger_lines(http_get(scene.source_url("/ledger")))
        self.lose(scene)
        scene.replicate()
        self.assertEqual(scene.fail_over()["state"], "succeeded")

    def lose(self, scene):
        Vim(scene.sandbox["datacenter"]).power_off(scene.web["id"])
        wait_until(lambda: scene.machine_status()["power"] == "poweredOff")
        scene.back_up()

    def prepare_home(self, scene):
        pass

    def write_there(self, scene):
        http_get(scene.instance_url("/scatter?mib=100&seed=5"), timeout=300)
        self.digest = http_get(scene.instance_url("/digest"), timeout=120)
        return ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))

    def check_plan(self, scene):
        found = scene.json("failback", "plan", "dr")
        self.assertIn(found["light"], ("green", "yellow"), found)
        self.assertIn("downtime", [one["topic"] for one in found["findings"]])

    def come_home(self, scene):
        return scene.json("failback", "start", "dr")

    def check_service(self, scene, before):
        url = scene.source_url
        wait_for_http(url("/ready"), seconds=600)
        status = json.loads(http_get(url("/status")))
        self.assertNotIn("nvme", json.dumps(status))
        self.assertEqual(http_get(url("/digest"), timeout=120), self.digest)
        ledger = ledger_lines(http_get(url("/ledger")))
        self.assertEqual(ledger[:len(before)], before, "every line of both lives is there")
        self.assertEqual(ledger[:len(self.left)], self.left)
        self.assertEqual([line[0] for line in ledger], list(range(1, len(ledger) + 1)))
        self.assertGreaterEqual(len({line[2] for line in ledger}), 3, "it was booted at home, there, and at home")

    def check_job(self, scene, job):
        data = job["data"]
        read = sum(one["bytes_read"] for one in data["passes"])
        written = sum(one["bytes_written"] for one in data["passes"])
        print(f"{len(data['passes'])} passes: read {read / MIB:.1f} MiB, wrote {written / MIB:.1f} MiB, away for "
              f"{data['downtime_ms'] / 1000:.1f} s, forecast {data['forecast_ms'] / 1000:.1f} s", file=sys.stderr)
        self.assertEqual(job["state"], "succeeded")
        self.assertGreater(written, 50 * MIB)
        # 100 MiB in pieces of 64 KiB, over a file of 192 MiB, read by blocks of 512 KiB; more than once in passes.
        self.assertLess(read, 600 * MIB)
        undone = data["passes"][-1]["undone"]
        self.assertTrue(any("initrd" in path for path in undone["restored"]), undone)

    def check_account(self, scene):
        instance, = [one for one in scene.inventory()["instances"] if one["state"] != "terminated"]
        self.assertEqual(instance["state"], "stopped", "kept for some days")
        self.assertEqual(scene.failover()["state"], "returned")

    def check_protection(self, scene):
        point = scene.back_up()["data"]["point"]
        self.assertFalse(point["full"], "the next backup at home is an incremental one")
        scene.replicate()

    def end(self, scene):
        scene.run("failover", "clean-up", "dr")
        inventory = scene.inventory()
        self.assertEqual([one for one in inventory["instances"] if one["state"] != "terminated"], [])
        self.assertEqual(len(inventory["snapshots"]), self.disks, "the DR copy and nothing else")
        self.assertEqual(len(inventory["volumes"]), 0)
        self.assertEqual(scene.machine_snapshots(), [])
        self.assertEqual(scene.machine_status()["power"], "poweredOn", "the machine at home is not touched")
        self.assertIn("0 orphans", scene.run("account", "audit", "aws")[1])


class ComesHomeAfterADisaster(ComesHome):
    """The datacenter comes back with its VM, which its host switches on again: it has a life of its own."""

    def lose(self, scene):
        scene.replicate()
        scene.strike()

    def live_away(self, scene):
        scene.set_up()
        scene.apply_plan(lambda plan: plan.update(failback={"health_check": scene.source_url("/ready")}))
        self.left = ledger_lines(http_get(scene.source_url("/ledger")))
        scene.back_up()
        self.lose(scene)
        self.assertEqual(scene.fail_over()["state"], "succeeded")

    def prepare_home(self, scene):
        scene.start_servers("--revive")
        Vim(scene.sandbox["datacenter"]).power_on(scene.web["id"])
        wait_until(lambda: scene.machine_status()["power"] == "poweredOn")
        scene.web = scene.machine_status()
        wait_for_http(scene.source_url("/ready"), seconds=600)
        http_get(scene.source_url("/scatter?mib=5&seed=99"), timeout=120)
        scene.apply_plan(lambda plan: plan.update(failback={"health_check": scene.source_url("/ready")}))


class ComesHomeWhenItIsTold(unittest.TestCase):
    """Copying goes on until somebody says go; into a new VM, on the network that the plan says."""

    def test_as_a_new_vm_on_another_network(self):
        with Scene("bios") as scene:
            vim = self.live_away(scene)
            process = self.begin(scene)
            before = len(self.job(scene)["data"]["passes"])
            self.assertEqual(self.running(scene), 1, "its service is there until somebody says go")
            self.assertEqual(self.new_vm(scene)["power"], "poweredOff")
            http_get(scene.instance_url("/scatter?mib=5&seed=6"), timeout=60)
            self.assertIn("web: goes on", scene.run("failback", "approve", "dr")[1])
            err = process.communicate()[1]
            self.assertEqual(process.returncode, 0, err)
            passes = self.job(scene)["data"]["passes"]
            written = sum(one["bytes_written"] for one in passes[before:])
            self.assertGreater(written, 4 * MIB, "what was written while it waited")
            self.check_where_it_is(scene, vim)

    def live_away(self, scene):
        scene.set_up()
        scene.apply_plan(lambda plan: plan.update(failback={"networks": {"VM Network": "Isolated"}}))
        vim = Vim(scene.sandbox["datacenter"])
        vim.power_off(scene.web["id"])
        wait_until(lambda: scene.machine_status()["power"] == "poweredOff")
        scene.back_up()
        scene.replicate()
        self.assertEqual(scene.fail_over()["state"], "succeeded")
        return vim

    def begin(self, scene):
        """Nobody answers on an isolated network, so that the plan names no health check for home."""
        return begin_and_be_asked(self, scene, "--to", "new")

    def job(self, scene):
        return newest_failback(scene)

    def running(self, scene):
        return len([one for one in scene.inventory()["instances"] if one["state"] == "running"])

    def new_vm(self, scene):
        made, = [one for one in scene.machines_at_home() if one["name"] == "web-came-home"]
        return made

    def check_where_it_is(self, scene, vim):
        self.assertEqual(self.new_vm(scene)["power"], "poweredOn")
        self.assertEqual(vim.networks_of(self.new_vm(scene)["id"]), ["Isolated"])
        self.assertEqual(vim.networks_of(scene.web["id"]), ["VM Network"], "the VM of before is as it was")
        self.assertEqual(scene.machine_status()["power"], "poweredOff")
        self.assertEqual(self.running(scene), 0)
        refused = scene.run("failback", "approve", "dr", check=False)
        self.assertEqual(refused[0], 1)
        self.assertIn("no failback of the plan dr waits", refused[2])


if __name__ == "__main__":
    unittest.main()
