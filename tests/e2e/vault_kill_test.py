"""The vault survives kill -9 and a full disk. tests/slow has ten times as many kills."""

import os
import random
import shutil
import subprocess
import tempfile
import unittest

from vault_kills import VaultKills
from vault_world import MIB, VaultFailed, VaultWorld, outcome, perform


class VaultKilled(unittest.TestCase):
    def test_twenty_kills_lose_nothing(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        VaultKills(self, folder, 64 * MIB).until(20)


class VaultOnAFullDisk(unittest.TestCase):
    def test_a_backup_says_so_and_the_next_one_goes_on_from_there(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        disk = self.small_disk(folder)
        world = VaultWorld(self, folder, random.Random(7), 64 * MIB)
        world.vault = os.path.join(disk, "vault")
        perform("create", world.vault, "--weak-password")
        filler = os.path.join(disk, "filler")
        with open(filler, "wb") as file:
            file.write(bytes(shutil.disk_usage(disk).free - 6 * MIB))
        backup, point = world.full_backup()
        with self.assertRaisesRegex(VaultFailed, r"^vault_images: .*is full.*free space on it.*$") as failed:
            outcome(backup.start())
        self.assertEqual(str(failed.exception).count("\n"), 0, "one sentence")
        world.check()
        self.assertEqual(world.listed(), [])
        kept = self.stored(world)
        self.assertGreater(kept, MIB, "what was stored before the disk was full")

        os.unlink(filler)
        report = outcome(backup.start())
        world.committed(point)
        self.assertLess(report["bytes_stored"], self.stored(world) - kept * 3 // 4, "it used what was stored")
        world.check_everything()
        world.check_nothing_stays()

    def small_disk(self, folder):
        disk = os.path.join(folder, "disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", disk], capture_output=True,
                                 check=False)
        if mounted.returncode != 0:
            self.skipTest("mounting a small file system needs root: run the tests as root")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk

    def stored(self, world):
        return sum(os.path.getsize(os.path.join(world.vault, name)) for name in world.objects())


if __name__ == "__main__":
    unittest.main()
