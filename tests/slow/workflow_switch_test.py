"""A plan changes between its workflows, ebs-snapshot and ami: the DR copies of one are those of the other, in both
directions and by both ways of writing. Nothing is written but what differs, also where the machine changed meanwhile; and
a failover needs no replication in between."""

import collections
import os
import unittest

from scene import Scene, http_get
from stored_blocks import digests_of_copy, differing_blocks, listed_blocks, point_digests, written_in_vain

# The calls that begin or write an image or a volume.
WRITING = ("StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "CreateVolume", "AttachVolume", "CreateSnapshot")
OTHER = {"ebs-snapshot": "ami", "ami": "ebs-snapshot"}


class WorkflowSwitched(unittest.TestCase):
    write = "direct"
    first = "ebs-snapshot"

    def test_without_a_new_copy(self):
        self.scene = self.enterContext(Scene("bios"))
        self.scene.set_up()
        self.prepare()
        self.begin(self.first)
        self.there_and_back(self.first)
        self.with_changes(OTHER[self.first])
        self.with_changes(self.first)
        self.assertIn("0 orphans, 0 lost", self.scene.run("account", "audit", "aws")[1])

    def prepare(self):
        """What this way of writing needs."""

    def begin(self, workflow):
        """The first copy, whole."""
        self.seed = 0
        self.plan(workflow)
        self.back_up()
        self.assertGreater(self.calls_of_replicating().total(), 0)
        self.check_copy(workflow)

    def there_and_back(self, first):
        """The recovery point is the same: no block is written, and the copy stays what it is."""
        before = self.copy()
        for workflow in (OTHER[first], first):
            self.plan(workflow)
            # The copy is still that of the other workflow.
            self.fail_over(launched_from=self.copy()["template_id"])
            calls = self.calls_of_replicating()
            self.assertEqual({action: calls[action] for action in WRITING if calls[action]}, {})
            self.assertEqual(calls["RegisterImage"], workflow == "ami")
            self.assertEqual(calls["DeregisterImage"], workflow != "ami")
            after = self.copy()
            self.assertEqual((after["id"], after["disks"]), (before["id"], before["disks"]))
            self.check_copy(workflow)
            self.fail_over(launched_from=after["template_id"])

    def with_changes(self, workflow):
        """The machine changed, too: its differences are written on top of the copy that the other workflow made."""
        old, was = self.copy(), self.digests()
        self.plan(workflow)
        self.back_up()
        calls = self.calls_of_replicating()
        new, now = self.copy(), self.digests()
        self.assertNotEqual(new["id"], old["id"])
        changed = [index for index, (one, other) in enumerate(zip(was, now)) if one != other]
        self.assertIn(len(changed), range(1, len(now) // 4))
        written = listed_blocks(self.region, self.image(new), since=self.image(old))
        self.assertEqual(sorted({*changed} - {*written}), [])
        self.assertEqual(written_in_vain(written, old, was, now), [])
        if self.write == "direct":
            self.assertEqual(calls["PutSnapshotBlock"], len(written))
        self.check_copy(workflow)
        self.scene.create_plan(write=self.write, workflow=workflow)  # with its health check: it boots
        self.fail_over(launched_from=new["template_id"])

    # The plan, its copy, and a failover.

    @property
    def region(self):
        return self.scene.sandbox["region"]

    def plan(self, workflow):
        """Of two copies, so that the one before is there to be compared with."""
        self.scene.create_plan(write=self.write, workflow=workflow, health_check="")
        self.scene.apply_plan(lambda plan: plan.update(keep_copies=2))

    def back_up(self):
        self.seed += 1
        http_get(self.scene.source_url(f"/scatter?mib=2&seed={self.seed}"), timeout=60)
        self.scene.back_up()

    def calls_of_replicating(self):
        self.scene.region_request("DELETE", "/rekindle-sandbox/calls")
        self.assertEqual(self.scene.replicate()["state"], "succeeded")
        return collections.Counter({action: count["calls"] for action, count in self.scene.calls().items()})

    def copy(self):
        return next(one for one in self.scene.json("replicate", "list") if one["state"] == "current")

    def image(self, copy):
        return copy["disks"][0]["image_id"]

    def digests(self):
        copy = self.copy()
        return digests_of_copy(copy, point_digests(self.scene, copy["recovery_point_id"]))

    def check_copy(self, workflow):
        copy = self.copy()
        self.assertEqual(copy["recovery_point_id"], self.scene.json("backup", "list")[-1]["id"])
        self.assertEqual(bool(copy["template_id"]), workflow == "ami")
        self.assertIn(copy["template_id"] or None, [*self.images(), None])
        self.assertEqual(self.scene.inventory()["volumes"], [])
        self.assertEqual(differing_blocks(self.scene, copy, point_digests(self.scene, copy["recovery_point_id"])), [])

    def images(self):
        return [one["id"] for one in self.scene.inventory()["images"]]

    def fail_over(self, launched_from):
        """From the AMI that the copy has; where it has none, one is registered for this failover, and goes."""
        images = self.images()
        record = self.scene.fail_over("--test")
        self.assertEqual(record["state"], "succeeded")
        instance = next(one for one in self.scene.inventory()["instances"] if one["id"] == record["instance_id"])
        if launched_from:
            self.assertEqual(instance["image_id"], launched_from)
        else:
            self.assertNotIn(instance["image_id"], images)
        self.assertEqual(self.images(), images)
        self.scene.run("failover", "clean-up", "dr")


class VolumeWorkflowSwitched(WorkflowSwitched):
    write = "volume"
    first = "ami"

    def prepare(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        self.scene.add_account_of_a_proxy()


if __name__ == "__main__":
    unittest.main()
