"""Looking after a vault: checking it, repairing it, removing recovery points and freeing their space."""

import glob
import os
import unittest

from bad_input import BadInput


class VaultCare(BadInput):
    @classmethod
    def prepare(cls):
        cls.scene.run("backup", "run", "web")
        cls.scene.run("backup", "run", "web")

    def points(self):
        return [point["id"] for point in sorted(self.scene.json("backup", "list"), key=lambda point: point["time"])]

    def test_the_newest_point_stays_unless_that_is_said_twice(self):
        *older, newest = self.points()
        self.assertTrue(older)
        self.refused("backup", "remove", newest, says=[newest, "newest recovery point of web", "--force"])
        for point in older:
            self.scene.run("backup", "remove", point)
        self.assertEqual(self.points(), [newest])
        self.refused("backup", "remove", older[0], says=[older[0]])
        self.scene.run("backup", "remove", newest, "--force")
        self.assertEqual(self.points(), [])
        self.scene.run("vault", "check", "main", "--level", "data")
        self.prepare()

    def test_a_collection_tells_what_waits_and_refuses_too_little_patience(self):
        told = self.scene.json("vault", "collect", "main", "--dry-run")
        self.assertTrue(told["dry_run"])
        self.assertEqual(told["packs_deleted"], 0)
        self.assertGreater(told["bytes_live"], 0)
        self.scene.run("vault", "collect", "main")
        self.refused("vault", "collect", "main", "--grace", "0", says=["too short", "longest backup"])
        self.scene.run("vault", "check", "main", "--level", "sampled", "--sample-percent", "50")

    def test_damage_is_told_by_machine_and_disk_and_set_aside(self):
        pack = sorted(glob.glob(os.path.join(self.scene.vault, "data", "*", "*")), key=os.path.getsize)[-1]
        with open(pack, "r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
        status, out, _ = self.scene.run("vault", "check", "main", "--level", "data", check=False)
        self.assertEqual(status, 1)
        for part in (os.path.basename(pack), "lost of machine", "bytes "):
            self.assertIn(part, out)
        self.assertEqual(self.scene.run("vault", "repair", "main", check=False)[0], 1)
        self.scene.run("backup", "run", "web", "--full")
        newest = self.points()[-1]
        status, out, _ = self.scene.run("vault", "check", "main", "--level", "data", check=False)
        self.assertNotIn(newest, out)


if __name__ == "__main__":
    unittest.main()
