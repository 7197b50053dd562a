"""Encrypted DR copies that are written through volumes: byte for byte their recovery points, with every zero, for a block
that an encrypted volume was never given reads as noise. And how the volumes are written."""

import json
import os
import random
import subprocess
import unittest

from scene import BINARY, Scene, http_get, wait_for_http
from stored_blocks import EMPTY, digests_of_copy, differing_blocks, listed_blocks, point_digests, written_in_vain
from volume_writes import VolumeWrites

# Behind the file system, which ends a MiB before the disk: the guest does not miss what is written there.
UNUSED = (2046, 2047)
AT_LEAST_AT_ONCE = 4  # of the 16 writes that a volume is given at a time; a look may miss some


class EncryptedThroughVolumes(unittest.TestCase):
    WORKFLOWS = ("ebs-snapshot", "ami")

    def test_every_copy_is_its_recovery_point_zeros_included(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        self.scene = self.enterContext(Scene("bios"))
        self.scene.set_up()
        self.attached = self.scene.add_account_of_a_proxy()
        for turn, workflow in enumerate(self.WORKFLOWS):
            with self.subTest(workflow=workflow):
                self.replicate_thrice(workflow, 10 * turn)
            self.scene.run("replicate", "clean-up", "dr")
        self.what_the_account_encrypts_later()

    def replicate_thrice(self, workflow, seed):
        self.plan(workflow=workflow, encrypt_copies=True, copies_kms_key="alias/copies")
        self.on_the_unused_blocks("-P 0x5a")
        full = self.copy_of_now(seed)
        self.assertGreaterEqual(self.writes.most_at_once, AT_LEAST_AT_ONCE, "blocks are written one after the other")
        self.check_whole(full)
        self.check_zeros(full, has_zeros=False)
        self.on_the_unused_blocks("-z")
        zeroed = self.copy_of_now(seed + 1)
        self.check_difference(full, zeroed)
        self.check_zeros(zeroed, has_zeros=True)
        again = self.copy_of_now(seed + 2)
        self.check_difference(zeroed, again)
        self.check_zeros(again, has_zeros=True)
        self.check_whole(again)
        self.fail_over(workflow)

    def what_the_account_encrypts_later(self):
        """Its setting makes an encrypted volume of the unencrypted image before: what that left out is written, too."""
        self.plan(workflow="ebs-snapshot", encrypt_copies=False, copies_kms_key="")
        plain = self.copy_of_now(50)
        self.assertFalse(self.snapshot_of(plain)["encrypted"])
        self.assertLess(len(listed_blocks(self.region, plain["image"])), len(plain["digests"]))
        self.scene.region_request("POST", "/rekindle-sandbox/knobs", {"encryption_by_default": True})
        encrypted = self.copy_of_now(51)
        self.check_whole(encrypted)
        self.check_difference(encrypted, self.copy_of_now(52))

    # The plan, and what happens to the machine.

    def plan(self, workflow, **changes):
        self.scene.create_plan(write="volume", workflow=workflow)
        self.scene.apply_plan(lambda plan: plan.update(keep_copies=2, **changes))

    def on_the_unused_blocks(self, how):
        """QEMU writes in the guest's place."""
        said = self.scene.datacenter_request("machines/web/monitor", {
            "command_line": f'qemu-io -d disk0 "write {how} {UNUSED[0] // 2}M 1M"'})
        self.assertNotIn("rror", json.dumps(said))

    def copy_of_now(self, seed):
        """A DR copy of the machine after it wrote a little."""
        http_get(self.scene.source_url(f"/scatter?mib=1&seed={seed}"), timeout=60)
        point = self.scene.back_up()["data"]["point"]["id"]
        self.replicate()
        (copy,) = [one for one in self.scene.json("replicate", "list") if one["state"] == "current"]
        self.assertEqual(copy["recovery_point_id"], point)
        self.assertTrue(copy["certificate"]["would_boot"], copy["certificate"])
        self.assertEqual(bool(copy["template_id"]), self.is_of_an_ami())
        self.assertEqual(self.scene.inventory()["volumes"], [])
        of_point = point_digests(self.scene, point)
        return {"copy": copy, "image": copy["disks"][0]["image_id"], "of_point": of_point,
                "digests": digests_of_copy(copy, of_point)}

    def is_of_an_ami(self):
        return self.scene.json("plan", "export", "dr")["workflow"] == "ami"

    def replicate(self):
        process = subprocess.Popen([BINARY, "replicate", "run", "dr"], env={**os.environ, **self.scene.env()}, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with process:
            self.writes = VolumeWrites(process, self.attached)
            self.writes.watch(process)
            self.assertEqual(process.returncode, 0, process.stderr.read())
        self.assertTrue(self.writes.direct, "the volume was written through the page cache")

    @property
    def region(self):
        return self.scene.sandbox["region"]

    # What must be true.

    def snapshot_of(self, one):
        return next(snapshot for snapshot in self.scene.inventory()["snapshots"] if snapshot["id"] == one["image"])

    def check_whole(self, one):
        """All blocks of the disk are there, and each is what it must be."""
        self.assertTrue(self.snapshot_of(one)["encrypted"])
        self.assertEqual(listed_blocks(self.region, one["image"]), list(range(len(one["digests"]))))
        self.assertEqual(differing_blocks(self.scene, one["copy"], one["of_point"]), [])

    def check_zeros(self, one, has_zeros):
        self.assertEqual([one["digests"][index] == EMPTY for index in UNUSED], [has_zeros] * len(UNUSED))

    def check_difference(self, old, new):
        """What differs was written, all of it and nothing else; what became zeros, too."""
        changed = [index for index, (was, now) in enumerate(zip(old["digests"], new["digests"])) if was != now]
        self.assertGreater(len(changed), 0)
        self.assertTrue(self.snapshot_of(new)["encrypted"])
        written = listed_blocks(self.region, new["image"], since=old["image"])
        self.assertEqual(sorted({*changed} - {*written}), [])
        self.assertEqual(written_in_vain(written, old["copy"], old["digests"], new["digests"]), [])
        self.assertEqual(listed_blocks(self.region, new["image"]), list(range(len(new["digests"]))))
        some = random.sample(range(len(new["digests"])), 100)
        self.assertEqual(differing_blocks(self.scene, new["copy"], new["of_point"], [*changed, *some, *UNUSED]), [])

    def fail_over(self, workflow):
        record = self.scene.fail_over("--test")
        self.assertEqual(record["state"], "succeeded")
        (copy,) = [one for one in self.scene.json("replicate", "list") if one["state"] == "current"]
        instance = next(one for one in self.scene.inventory()["instances"] if one["id"] == record["instance_id"])
        self.assertEqual(instance["image_id"] == copy["template_id"], workflow == "ami")
        self.assertTrue(all(one["encrypted"] for one in self.scene.inventory()["volumes"]))
        wait_for_http(self.scene.instance_url("/ready"))
        self.scene.run("failover", "clean-up", "dr")
        self.assertIn("0 orphans, 0 lost", self.scene.run("account", "audit", "aws")[1])


if __name__ == "__main__":
    unittest.main()
