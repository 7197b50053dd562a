"""DR copies by both ways of writing and both workflows: the same content, no matter how, and nothing left behind."""

import os
import unittest

from scene import Scene, http_get, wait_for_http
from stored_blocks import differing_blocks, point_digests


class BothWaysAndWorkflows(unittest.TestCase):
    WAYS = (("direct", "ebs-snapshot"), ("volume", "ebs-snapshot"), ("volume", "ami"), ("direct", "ami"))

    def test_every_copy_is_its_recovery_point_and_boots(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        with Scene("bios") as scene:
            self.scene = scene
            scene.set_up()
            scene.add_account_of_a_proxy()
            for turn, (write, workflow) in enumerate(self.WAYS):
                with self.subTest(write=write, workflow=workflow):
                    scene.create_plan(write=write, workflow=workflow)
                    http_get(scene.source_url(f"/scatter?mib=2&seed={turn}"), timeout=60)
                    point = scene.back_up()["data"]["point"]
                    scene.replicate()
                    self.check_copy(point, workflow)
            self.fail_over_from_the_ami()
            self.audit()

    def check_copy(self, point, workflow):
        (copy,) = self.scene.json("replicate", "list")
        self.assertEqual(copy["recovery_point_id"], point["id"])
        self.assertTrue(copy["certificate"]["would_boot"], copy["certificate"])
        self.assertEqual(bool(copy["template_id"]), workflow == "ami")
        inventory = self.scene.inventory()
        self.assertEqual([one["id"] for one in inventory["snapshots"]], [copy["disks"][0]["image_id"]])
        self.assertEqual(inventory["volumes"], [])
        self.assertEqual([one["id"] for one in inventory["images"]], [copy["template_id"]] if workflow == "ami" else [])
        self.compare(point, copy)

    def compare(self, point, copy):
        """Block by block, past the product on the side of AWS."""
        self.assertEqual(differing_blocks(self.scene, copy, point_digests(self.scene, point["id"])), [],
                         "blocks of the snapshot that are not those of the recovery point")
        self.assertGreater(len(copy["overlay"]), 0)

    def fail_over_from_the_ami(self):
        record = self.scene.fail_over("--test")
        self.assertEqual(record["state"], "succeeded")
        (copy,) = self.scene.json("replicate", "list")
        (instance,) = [one for one in self.scene.inventory()["instances"] if one["id"] == record["instance_id"]]
        self.assertEqual(instance["image_id"], copy["template_id"], "it was launched from the AMI that was ready")
        wait_for_http(self.scene.instance_url("/ready"))
        self.replicate_while_the_test_runs(copy)
        self.scene.run("failover", "clean-up", "dr")
        self.assertEqual(self.live_instances(), [])

    def replicate_while_the_test_runs(self, old):
        """The machine at home goes on and its DR copy is replaced: the instance loses the AMI and the snapshots that it
        came from, and nothing of what is on its disk."""
        running = self.live_instances()
        self.assertEqual(len(running), 1)
        digest = http_get(self.scene.source_url("/digest"), timeout=60)
        http_get(self.scene.source_url(f"/scatter?mib=2&seed={len(self.WAYS)}"), timeout=60)
        point = self.scene.back_up()["data"]["point"]
        self.assertEqual(self.scene.replicate()["state"], "succeeded")
        (copy,) = self.scene.json("replicate", "list")
        self.assertEqual((copy["state"], copy["recovery_point_id"]), ("current", point["id"]))
        self.assertNotEqual(copy["id"], old["id"])
        inventory = self.scene.inventory()
        self.assertEqual([one["id"] for one in inventory["snapshots"]], [copy["disks"][0]["image_id"]])
        self.assertEqual([one["id"] for one in inventory["images"]], [copy["template_id"]])
        self.assertEqual(self.live_instances(), running)
        http_get(self.scene.instance_url("/ready"), timeout=10)
        self.assertEqual(http_get(self.scene.instance_url("/digest"), timeout=60), digest)
        self.assertNotEqual(http_get(self.scene.source_url("/digest"), timeout=60), digest)

    def live_instances(self):
        return [one["id"] for one in self.scene.inventory()["instances"]
                if one["state"] not in ("terminated", "shutting-down") and not one.get("proxy")]

    def audit(self):
        self.assertIn("0 orphans, 0 lost", self.scene.run("account", "audit", "aws")[1])
        self.scene.run("replicate", "clean-up", "dr")
        inventory = self.scene.inventory()
        for kind in ("snapshots", "images", "volumes"):
            self.assertEqual(inventory[kind], [], kind)


if __name__ == "__main__":
    unittest.main()
