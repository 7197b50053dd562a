"""Replication through volumes, killed at every point: it goes on, and leaves no volume behind."""

import os
import subprocess
import unittest

from scene import BINARY, Scene, http_get


class VolumeWayKilledAtEveryPoint(unittest.TestCase):
    POINTS = ("start_images/intended", "start_images/made", "write/window", "write/put", "write/intended", "write/made",
              "write/frozen", "write/done", "register/made", "switch/done", "remove_old/before")

    def test_nothing_is_left_and_the_job_ends(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        with Scene("bios") as scene:
            scene.set_up()
            scene.add_account_of_a_proxy()
            scene.create_plan(write="volume", workflow="ami")
            scene.back_up()
            scene.replicate()
            for turn, point in enumerate(self.POINTS):
                with self.subTest(point=point):
                    http_get(scene.source_url(f"/scatter?mib=1&seed={turn}"), timeout=60)
                    newest = scene.back_up()["data"]["point"]["id"]
                    status = subprocess.run([BINARY, "replicate", "run", "dr"], capture_output=True, check=False,
                                            env={**os.environ, **scene.env(), "REKINDLE_KILL_AT": f"replicate/{point}"})
                    self.assertEqual(status.returncode, -9, f"{point} was not reached: {status.stderr}")
                    scene.run("job", "resume")
                    (copy,) = scene.json("replicate", "list")
                    self.assertEqual(copy["recovery_point_id"], newest)
                    inventory = scene.inventory()
                    self.assertEqual(len(inventory["snapshots"]), 1)
                    self.assertEqual(len(inventory["images"]), 1)
                    self.assertEqual(inventory["volumes"], [])


if __name__ == "__main__":
    unittest.main()
