"""The whole road with a real machine: protected, changed, lost, failed over with one command."""

import json
import sys
import time
import unittest
import urllib.error

from scene import Scene, http_get, ledger_lines, wait_for_http

MIB = 2**20
USER_DATA = "#!/bin/sh\necho started\n"


class Road(unittest.TestCase):
    variant = "bios"

    def test_a_machine_dies_and_lives_again_with_its_data(self):
        with Scene(self.variant) as scene:
            scene.set_up()
            scene.apply_plan(lambda plan: plan["production"].update(user_data=USER_DATA))
            full = scene.back_up()["data"]["point"]
            scene.replicate()
            incremental = self.change_and_update(scene)
            self.assertTrue(full["full"])
            self.assertFalse(incremental["full"])
            acknowledged = self.last_point_ledger
            at_disaster = ledger_lines(http_get(scene.source_url("/ledger")))
            digest = http_get(scene.source_url("/digest"), timeout=60)
            scene.strike()
            job = scene.fail_over()
            self.assertEqual(job["state"], "succeeded")
            self.check_service(scene, acknowledged, at_disaster, digest)
            self.check_metadata(scene)
            self.check_leftovers(scene)

    def change_and_update(self, scene):
        """50 MiB of scattered writes; what is read, stored and put is proportional to them."""
        http_get(scene.source_url("/scatter?mib=50&seed=11"), timeout=120)
        self.last_point_ledger = ledger_lines(http_get(scene.source_url("/ledger")))
        stored_before = scene.vault_bytes()
        point = scene.back_up()["data"]["point"]
        stored = scene.vault_bytes() - stored_before
        before = scene.puts()
        scene.replicate()
        blocks = scene.puts() - before
        print(f"changed 50.0 MiB: read {point['bytes_read'] / MIB:.1f} MiB, stored {stored / MIB:.1f} MiB, "
              f"put {blocks / 2:.1f} MiB", file=sys.stderr)
        self.assertGreaterEqual(point["bytes_read"], 50 * MIB)
        self.assertLess(point["bytes_read"], 80 * MIB)
        self.assertLess(stored, 80 * MIB)
        # The pieces lie in a file of 384 blocks of 512 KiB; a few more hold the ledger and the file system's own data.
        self.assertGreater(blocks, 100)
        self.assertLess(blocks, 384 + 100)
        return point

    def check_service(self, scene, acknowledged, at_disaster, digest):
        status = http_get(scene.instance_url("/status"), timeout=10)
        self.assertIn('"nvme"', status)
        self.assertEqual(http_get(scene.instance_url("/digest"), timeout=60), digest)
        ledger = ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))
        boot = acknowledged[-1][2]
        kept = [line for line in ledger if line[2] == boot]
        self.assertEqual(ledger[:len(acknowledged)], acknowledged, "every acknowledged line is there")
        self.assertEqual(kept, at_disaster[:len(kept)], "none is invented")
        self.assertEqual([line[0] for line in ledger], list(range(1, len(ledger) + 1)))
        time.sleep(2.5)
        self.assertGreater(len(ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))), len(ledger),
                           "it goes on")

    def check_metadata(self, scene):
        """What the guest learns of itself at 169.254.169.254."""
        def told(path, more=""):
            return http_get(scene.instance_url(f"/metadata?path=/latest/{path}{more}"), timeout=20)

        instance = scene.failover()["instance_id"]
        self.assertEqual(told("meta-data/instance-id"), instance)
        self.assertEqual(told("meta-data/local-ipv4"), scene.private_ip)
        self.assertEqual(json.loads(told("dynamic/instance-identity/document"))["instanceId"], instance)
        self.assertEqual(told("user-data"), USER_DATA)
        self.assertEqual(told("meta-data/instance-id", "&token=0"), instance, "version 1")
        scene.ec2().call("ModifyInstanceMetadataOptions", InstanceId=instance, HttpTokens="required")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            told("meta-data/instance-id", "&token=0")
        self.assertIn("answered 401", refused.exception.read().decode())
        self.assertEqual(told("meta-data/instance-id"), instance)

    def check_leftovers(self, scene):
        inventory = scene.inventory()
        self.assertEqual(len(inventory["snapshots"]), 1, "the DR copy and nothing else")
        self.assertEqual(len(inventory["images"]), 0)
        scene.run("failover", "clean-up", "dr")
        inventory = scene.inventory()
        self.assertEqual(len(inventory["volumes"]), 0)
        self.assertEqual([one for one in inventory["instances"] if one["state"] not in ("terminated", "proxy")], [])
        self.assertEqual(len(inventory["snapshots"]), 1)


class UefiRoad(Road):
    variant = "uefi"


if __name__ == "__main__":
    unittest.main()
