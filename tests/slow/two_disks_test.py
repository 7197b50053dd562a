"""A machine with a data disk: every step of the road and of the way home is of both disks."""

import json
import unittest

import failback_test
from scene import http_get, ledger_lines
from stored_blocks import differing_blocks, point_digests


class TwoDisksComeHome(failback_test.ComesHome):
    variant = "two-disks"
    disks = 2

    def live_away(self, scene):
        scene.set_up()
        scene.apply_plan(lambda plan: plan.update(failback={"health_check": scene.source_url("/ready")}))
        self.write_both(scene.source_url, 20, seed=1)
        scene.back_up()
        scene.replicate()
        self.compare(scene)
        self.write_both(scene.source_url, 10, seed=3)
        self.left = ledger_lines(http_get(scene.source_url("/ledger")))
        self.written = self.digests(scene.source_url)
        self.lose(scene)
        scene.replicate()
        self.compare(scene)
        self.assertEqual(scene.fail_over()["state"], "succeeded")
        self.check_there(scene)

    def write_both(self, url, mib, seed):
        http_get(url(f"/scatter?mib={mib}&seed={seed}"), timeout=300)
        http_get(url(f"/scatter?mib={mib}&seed={seed + 1}&disk=1"), timeout=300)

    def digests(self, url):
        """Of the data files of both disks."""
        return [http_get(url(f"/digest?disk={disk}"), timeout=120) for disk in range(self.disks)]

    def compare(self, scene):
        """The newest copy, block by block, past the product on the side of AWS."""
        (copy,) = scene.json("replicate", "list")
        self.assertEqual(len(copy["disks"]), self.disks)
        for disk in range(self.disks):
            digests = point_digests(scene, copy["recovery_point_id"], disk)
            self.assertEqual(differing_blocks(scene, copy, digests, disk_number=disk), [],
                             f"blocks of the snapshot of disk {disk} that are not those of the recovery point")

    def check_there(self, scene):
        status = json.loads(http_get(scene.instance_url("/status"), timeout=10))
        self.assertEqual((status["disk_driver"], status["data_disk_driver"]), ("nvme", "nvme"))
        self.assertEqual(len(scene.inventory()["volumes"]), self.disks)
        self.assertEqual(self.digests(scene.instance_url), self.written)
        ledger = ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))
        self.assertEqual(ledger[:len(self.left)], self.left, "every line that was acknowledged before")

    def write_there(self, scene):
        http_get(scene.instance_url("/scatter?mib=20&seed=6&disk=1"), timeout=300)
        before = super().write_there(scene)
        self.written = self.digests(scene.instance_url)
        return before

    def check_service(self, scene, before):
        super().check_service(scene, before)
        self.assertEqual(self.digests(scene.source_url), self.written)
        status = json.loads(http_get(scene.source_url("/status")))
        self.assertEqual(status["data_disk_driver"], "vmw_pvscsi")

    def check_protection(self, scene):
        super().check_protection(scene)
        self.compare(scene)


if __name__ == "__main__":
    unittest.main()
