"""A block of a DR copy goes bad in the region: it is found, said, and made anew by the next replication, of nothing."""

import json
import unittest

from scene import Scene
from stored_blocks import damage_block, differing_blocks, point_digests


class DamagedCopy(unittest.TestCase):
    write, workflow = "direct", "ebs-snapshot"

    def test_it_is_found_and_made_anew(self):
        with Scene("bios") as scene:
            self.scene = scene
            scene.set_up()
            self.choose_the_way()
            self.whole = self.update()
            self.assertLess(self.update(), self.whole // 2, "an update writes differences")
            self.expect_sound()
            self.find_the_damage()
            self.assertGreater(self.update(), self.whole // 2, "it is written whole again")
            self.expect_sound()
            self.assertLess(self.update(), self.whole // 2, "and brought up by differences from then on")
            self.expect_sound()
            self.assertIn("0 orphans, 0 lost", scene.run("account", "audit", "aws")[1])

    def choose_the_way(self):
        self.scene.create_plan(write=self.write, workflow=self.workflow)

    def update(self):
        """The guest writes a little by itself, and the DR copy follows; returns how many blocks were put."""
        self.scene.back_up()
        return self.scene.replicate()["data"]["blocks_put_0"]

    def copy(self):
        """The only one there is."""
        (copy,) = self.scene.json("replicate", "list")
        self.assertEqual([one["id"] for one in self.scene.inventory()["snapshots"]], [copy["disks"][0]["image_id"]])
        return copy

    def check(self):
        """Its exit status, and what it says of damage."""
        status, out, _ = self.scene.run("plan", "check", "dr", "--json", check=False)
        return status, [one for one in json.loads(out)["findings"] if one["topic"] == "copy damaged"]

    def expect_sound(self):
        copy = self.copy()
        self.assertEqual(copy["damaged"], [])
        self.scene.run("replicate", "verify", "dr", "--all")
        self.assertEqual(self.check(), (0, []))
        point = point_digests(self.scene, copy["recovery_point_id"])
        self.assertEqual(differing_blocks(self.scene, copy, point), [], "compared past the product")

    def find_the_damage(self):
        copy = self.copy()
        block = damage_block(self.scene, copy["disks"][0]["image_id"])
        status, out, err = self.scene.run("replicate", "verify", "dr", "--all", "--json", check=False)
        self.assertEqual(status, 1)
        (verified,) = json.loads(out)
        self.assertEqual(verified["disks"][0]["differing"], [block])
        self.assertIn(f"block {block} (of 512 KiB)", err)
        self.assertIn("'rekindle replicate run dr' makes it anew", err)
        (damage,) = self.copy()["damaged"]
        self.assertEqual((damage["disk_id"], damage["block"]), (copy["disks"][0]["disk_id"], block))
        status, (finding,) = self.check()
        self.assertEqual((status, finding["light"], finding["machine"]), (1, "red", "web"))
        self.assertIn("'rekindle replicate run dr'", finding["sentence"])


if __name__ == "__main__":
    unittest.main()
