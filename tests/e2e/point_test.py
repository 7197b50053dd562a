"""A recovery point without any site: booted from the vault, restored, and looked into."""

import hashlib
import json
import os
import subprocess
import unittest

from scene import Scene, http_get, wait_for_http
from served_point import machine_on, served_point


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Point(unittest.TestCase):
    def test_a_point_boots_restores_and_gives_its_files(self):
        with Scene() as scene:
            scene.set_up()
            http_get(scene.source_url("/scatter?mib=20&seed=5"), timeout=120)
            files = http_get(scene.source_url("/digest"), timeout=60)
            point = scene.back_up()["data"]["point"]["id"]
            scene.strike()  # the vault is all that is left
            disk = os.path.join(scene.directory, "restored.raw")
            scene.run("point", "restore", scene.machine, "--to", disk)
            before = digest(disk)
            self.check_boot(scene, point, files)
            self.check_served(scene, point, disk, before)
            self.check_files(scene, point)

    def check_boot(self, scene, point, files):
        """The guest boots from the vault, writes, and the point stays what it is."""
        with served_point(scene, point) as uris:
            self.assertEqual(len(uris), 1)
            with machine_on(f"file={uris[0]},format=raw,discard=unmap") as url:
                wait_for_http(url + "/ready", seconds=240)
                self.assertEqual(http_get(url + "/digest", timeout=120), files)
                first = len(http_get(url + "/ledger").splitlines())
                self.assertGreater(first, 0)

    def check_served(self, scene, point, disk, before):
        socket = os.path.join(scene.directory, "socket")
        with served_point(scene, point, "--read-only", "--socket", socket) as uris:
            subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", uris[0], disk], check=True,
                           capture_output=True)
        self.assertFalse(os.path.exists(socket))
        again = os.path.join(scene.directory, "again.raw")
        scene.run("point", "restore", point, "--to", again)
        self.assertEqual(digest(again), before, "what the guest wrote is gone")
        status, _, err = scene.run("point", "restore", point, "--to", again, check=False)
        self.assertEqual(status, 1)
        self.assertIn("--overwrite", err)

    def check_files(self, scene, point):
        names = [one["name"] for one in scene.json("point", "ls", point)]
        self.assertIn("etc", names)
        fstab = os.path.join(scene.directory, "fstab")
        scene.run("point", "get", point, "/etc/fstab", fstab)
        with open(fstab, encoding="utf-8") as file:
            self.assertIn("/", file.read())
        etc = os.path.join(scene.directory, "etc")
        fetched = scene.json("point", "get", point, "/etc", etc)
        self.assertGreater(fetched["files"], 5)
        self.assertTrue(os.path.exists(os.path.join(etc, "fstab")))
        shown = scene.json("point", "show", point)
        self.assertEqual(shown["machine"]["name"], scene.machine)
        self.assertEqual(json.loads(scene.run("point", "list", "--json")[1])[0]["id"], point)


if __name__ == "__main__":
    unittest.main()
