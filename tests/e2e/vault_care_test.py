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

    def policy(self, *rules):
        self.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", "web", *rules)

    def test_retention_tells_why_and_spares_the_newest_and_what_is_held(self):
        self.addCleanup(self.policy)
        while len(self.points()) < 3:
            self.scene.run("backup", "run", "web")
        oldest, *_, newest = self.points()
        self.assertTrue(all(one["keep"] == "keep" for one in self.scene.json("retention", "apply")), "no rules, no removal")
        self.policy("--keep-last", "1")
        self.scene.run("point", "hold", oldest, "--reason", "case 7")
        self.refused("backup", "remove", oldest, says=["legal hold", "case 7", "point release"])
        before = self.points()
        planned = self.scene.json("retention", "apply", "--dry-run")
        self.assertEqual(self.points(), before, "a dry run removes nothing")
        reasons = {one["recovery_point_id"]: (one["keep"], one["reason"]) for one in planned}
        self.assertEqual(reasons[oldest], ("keep", "legal hold: case 7"))
        self.assertEqual(reasons[newest], ("keep", "the newest, last 1 of 1"))
        self.assertEqual(reasons[before[1]], ("remove", "no rule keeps it"))
        self.scene.run("retention", "apply")
        self.assertEqual(self.points(), [oldest, newest])
        self.scene.run("point", "release", oldest)
        self.scene.run("retention", "apply", "--policy", "all")
        self.assertEqual(self.points(), [newest])
        self.scene.run("backup", "run", "web")


class VaultKeys(BadInput):
    @classmethod
    def prepare(cls):
        cls.scene.run("backup", "run", "web")

    def keys(self):
        return self.scene.json("vault", "key", "list", "main")

    def test_keys_come_go_and_rotate_while_backups_go_on(self):
        self.assertEqual([key["kind"] for key in self.keys()], ["passphrase"])
        key_file = os.path.join(self.scene.directory, "escrow.key")
        self.scene.run("vault", "key", "add", "main", "--key-file", key_file)
        self.assertEqual(os.stat(key_file).st_mode & 0o077, 0)
        escrow, = [key["id"] for key in self.keys() if key["kind"] == "key file"]
        self.scene.run("vault", "key", "remove", "main", escrow)
        last, = self.keys()
        self.refused("vault", "key", "remove", "main", last["id"], says=["key that opened the vault", "add another"])

        fresh = {"REKINDLE_NEW_PASSPHRASE": "a fresh passphrase"}
        self.scene.run("vault", "key", "rotate", "main", env=fresh)
        self.assertEqual([key["epoch"] for key in self.keys()], [2])
        self.scene.run("backup", "run", "web")
        self.scene.run("vault", "check", "main", "--level", "data")
        self.refused("vault", "key", "use", "main", env={"REKINDLE_NEW_PASSPHRASE": "the old one"},
                     says=["passphrase does not open the vault"])
        self.scene.run("vault", "key", "use", "main", env=fresh)
        self.scene.run("point", "restore", "web", "--to", os.path.join(self.scene.directory, "restored/"))


if __name__ == "__main__":
    unittest.main()
