"""A guest that never stops writing outlives hundreds of snapshots."""

import threading
import unittest
import urllib.error

from scene import Scene, http_get, ledger_lines


class BusyGuest(unittest.TestCase):
    backups = 300

    def test_outlives_its_snapshots(self):
        scene = self.enterContext(Scene("bios"))
        scene.set_up()
        done = threading.Event()
        failures = []

        def write():
            seed = 0
            while not done.is_set():
                seed += 1
                try:
                    http_get(scene.source_url(f"/scatter?mib=1&seed={seed}"), timeout=60)
                except (OSError, urllib.error.URLError) as failure:
                    failures.append(failure)
                    return
                done.wait(0.2)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for turn in range(self.backups):
                scene.back_up()
                self.assertEqual(failures, [], f"the guest died at backup {turn}")
        finally:
            done.set()
            writer.join()
        self.assertEqual(scene.machine_snapshots(), [])
        self.assertTrue(ledger_lines(http_get(scene.source_url("/ledger"), timeout=10)))


if __name__ == "__main__":
    unittest.main()
