"""The other ways home: of a UEFI guest, into a datacenter without the VM, and into another datacenter."""

import pathlib
import unittest

import failback_test
from scene import DISK_COMMAND, Scene, ServersOnly, http_get, ledger_lines, wait_for_http
from vim import Vim, wait_until

OVMF_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"  # as the sandbox's firmware begins


class ComesHomeUefi(failback_test.ComesHome):
    variant = "uefi"


class ComesHomeToNothing(failback_test.ComesHomeAfterADisaster):
    """The datacenter comes back without the VM: a new one is made."""

    def prepare_home(self, scene):
        scene.start_servers("--revive")
        Vim(scene.sandbox["datacenter"]).destroy(scene.web["id"])
        wait_until(lambda: scene.machine_status() is None)

    def check_service(self, scene, before):
        scene.web = scene.machine_status()
        super().check_service(scene, before)


class ComesHomeUefiToNothing(ComesHomeToNothing):
    """The firmware of the new VM knows from where the one that is gone started: it is given its variables."""
    variant = "uefi"

    def lose(self, scene):
        self.variables = self.nvram(scene)
        super().lose(scene)

    def nvram(self, scene):
        """The file's bytes, past the product."""
        file, = [path for path in pathlib.Path(scene.directory).rglob("web.nvram") if path.parent.name == "web"]
        return file.read_bytes()

    def check_plan(self, scene):
        super().check_plan(scene)
        topics = [one["topic"] for one in scene.json("failback", "plan", "dr")["findings"]]
        self.assertNotIn("firmware", topics, "the vault has its variables")

    def come_home(self, scene):
        """Looks at the new VM before its first start, in which its firmware writes."""
        process = failback_test.begin_and_be_asked(self, scene)
        self.assertEqual(scene.machine_status()["power"], "poweredOff")
        self.assertTrue(self.nvram(scene) == self.variables, "byte for byte")
        self.assertFalse(self.variables == pathlib.Path(OVMF_VARIABLES).read_bytes(), "it had boot entries")
        scene.run("failback", "approve", "dr")
        err = process.communicate()[1]
        self.assertEqual(process.returncode, 0, err)
        return failback_test.newest_failback(scene)


class ComesHomeThoughBornThere(unittest.TestCase):
    """An instance that nobody failed over is taken into the plan, and comes home as a VM that nobody had."""

    def test_as_a_new_vm(self):
        with Scene("bios") as scene:
            there = self.be_born(scene)
            scene.run("failback", "adopt", "dr", there["id"], "--machine", "born", "--datacenter", "home", "--vault",
                      "main")
            scene.run("policy", "create", "others", "--datacenter", "home", "--vault", "main", "--machine", "born")
            scene.run("backup", "run", "born")
            before = ledger_lines(http_get(f"http://{there['public_ip']}/ledger"))
            # Nobody knows where its service will be: powered on is enough for the job.
            job = scene.json("failback", "start", "dr", "--machine", "born")
            self.assertEqual(job["state"], "succeeded", job["error"])
            born, = [one for one in scene.machines_at_home() if one["name"] == "born"]
            url = f"http://127.0.0.1:{born['host_port']}"
            wait_for_http(f"{url}/ready", seconds=600)
            self.assertEqual(ledger_lines(http_get(f"{url}/ledger"))[:len(before)], before)
            self.assertNotIn("nvme", http_get(f"{url}/status"))
            instance, = [one for one in scene.inventory()["instances"] if one["id"] == there["id"]]
            self.assertEqual(instance["state"], "stopped")
            scene.run("backup", "run", "born")
            self.assertIn("0 orphans", scene.run("account", "audit", "aws")[1])

    def be_born(self, scene):
        """From an AMI, by hand."""
        scene.set_up()
        scene.apply_plan(lambda plan: plan.update(workflow="ami"))
        scene.back_up()
        scene.replicate()
        image, = scene.inventory()["images"]
        region = scene.sandbox["region"]
        scene.ec2().call("RunInstances", ImageId=image["id"], InstanceType="t3.small", MinCount="1", MaxCount="1",
                         SubnetId=region["subnet_id"], SecurityGroupId_1=region["security_group_id"])
        wait_until(lambda: [one for one in scene.inventory()["instances"] if one["state"] == "running"])
        instance, = scene.inventory()["instances"]
        wait_for_http(f"http://{instance['public_ip']}/ready", seconds=600)
        return instance


class ComesHomeToAnotherDatacenter(unittest.TestCase):
    """The datacenter that it left is there, and its VM was switched on again: it must not run beside the new one."""

    def test_and_is_protected_there(self):
        with Scene("bios") as scene, ServersOnly() as other:
            self.live_away(scene, other)
            http_get(scene.instance_url("/scatter?mib=20&seed=7"), timeout=120)
            digest = http_get(scene.instance_url("/digest"), timeout=120)
            before = ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))
            self.check_plan(scene)
            job = scene.json("failback", "start", "dr")
            self.assertEqual(job["state"], "succeeded", job["error"])
            self.assertEqual(scene.machine_status()["power"], "poweredOff", "the VM of before")
            self.check_service(other, before, digest)
            self.check_protection(scene)

    def live_away(self, scene, other):
        scene.set_up()
        there = other.sandbox["datacenter"]
        scene.run("datacenter", "add", "other", "--url", there["url"], "--user", there["user"], "--disk-command",
                  DISK_COMMAND, env={"REKINDLE_PASSWORD": there["password"]})
        # Where its service will be there is not known yet: no health check.
        scene.apply_plan(lambda plan: plan.update(failback={"datacenter": "other"}))
        vim = Vim(scene.sandbox["datacenter"])
        vim.power_off(scene.web["id"])
        wait_until(lambda: scene.machine_status()["power"] == "poweredOff")
        scene.back_up()
        scene.replicate()
        self.assertEqual(scene.fail_over()["state"], "succeeded")
        vim.power_on(scene.web["id"])
        wait_until(lambda: scene.machine_status()["power"] == "poweredOn")

    def check_plan(self, scene):
        found = scene.json("failback", "plan", "dr")
        said = {one["topic"]: one for one in found["findings"]}
        self.assertEqual(found["light"], "yellow", found)
        self.assertIn("it is switched off", said["VM of before"]["sentence"])
        self.assertIn("new VM 'web' in other", said["home"]["sentence"])
        self.assertIn("as it took in the account", said["downtime"]["sentence"])

    def check_service(self, other, before, digest):
        made = other.machine_status()
        url = f"http://127.0.0.1:{made['host_port']}"
        wait_for_http(f"{url}/ready", seconds=600)
        self.assertEqual(http_get(f"{url}/digest", timeout=120), digest)
        self.assertEqual(ledger_lines(http_get(f"{url}/ledger"))[:len(before)], before)

    def check_protection(self, scene):
        point = scene.back_up()["data"]["point"]
        self.assertEqual(point["datacenter"], "other", "whatever its policy says")
        self.assertFalse(point["full"])
        scene.replicate()
        scene.run("failover", "clean-up", "dr")
        self.assertEqual([one for one in scene.inventory()["instances"] if one["state"] != "terminated"], [])
        self.assertIn("0 orphans, 0 lost", scene.run("account", "audit", "aws")[1])


if __name__ == "__main__":
    unittest.main()
