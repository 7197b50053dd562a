"""What the tests of bad input share: a scene that is set up, and how a refusal must look."""

import sys
import unittest

from scene import Scene


class BadInput(unittest.TestCase):
    """One scene for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.scene = Scene().__enter__()
        cls.addClassCleanup(cls.scene.close)
        cls.scene.add_datacenter()
        cls.scene.add_account()
        cls.scene.run("vault", "create", "main", "--directory", cls.scene.vault)
        cls.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", "web")
        cls.scene.create_plan(health_check="")
        cls.prepare()

    @classmethod
    def prepare(cls):
        """What the tests of the class start from."""

    # Asking, and reading the answer as a person would.

    def refused(self, *args, says=(), status=1, env=None):
        """Runs what must fail; the one sentence on standard error has every part of `says`."""
        got, _, err = self.scene.run(*args, env=env, check=False)
        self.assertEqual(got, status, f"{args}: {err}")
        self.assert_one_sentence(err, says)
        return err

    def assert_one_sentence(self, err, says):
        self.assertEqual(len(err.strip().splitlines()), 1, f"one sentence: {err}")
        self.assertTrue(err.startswith("rekindle: "), err)
        for part in says:
            self.assertIn(part, err)
        print(f"  {err.strip()}", file=sys.stderr)

    def resources(self):
        """What exists in the region, past the product."""
        inventory = self.scene.inventory()
        gone = ("terminated", "proxy")
        return {"snapshots": {one["id"] for one in inventory["snapshots"]},
                "volumes": {one["id"] for one in inventory["volumes"]},
                "images": {one["id"] for one in inventory["images"]},
                "instances": {one["id"] for one in inventory["instances"] if one["state"] not in gone}}

    def assert_nothing_half_made(self):
        """The sites hold what the catalog says is in use, and no job is under way."""
        over = ("succeeded", "failed", "cancelled")
        self.assertEqual([job for job in self.scene.json("job", "list") if job["state"] not in over], [])
        ledger = self.scene.json("job", "ledger")
        self.assertEqual([entry for entry in ledger if not entry["in_use_by"]], [], "made and used by nobody")
        listed = {entry["object_id"] for entry in ledger}
        there = self.resources()
        self.assertEqual(there["snapshots"] | there["images"] | there["instances"], listed)
        self.assertEqual(there["volumes"] if not there["instances"] else set(), set())
        self.assertEqual(self.scene.machine_snapshots(), [])

    # Breaking things.

    def datacenter_admin(self, what, body):
        return self.scene.datacenter_request(what, body)

    def region_fault(self, **rule):
        self.addCleanup(self.scene.region_request, "DELETE", "/rekindle-sandbox/faults")
        self.scene.region_fault(**rule)
