"""What every_call_test plays on where AWS runs the machine in production: its copies and its volumes are encrypted, and it
has an Elastic IP, user data and a role."""

import base64

from every_call import IAM, KMS, World, exists, reads
from stored_blocks import listed_blocks

KEY = {"id": "1234abcd", "alias": "alias/dr"}
PROFILE = {"name": "web-role", "role": "web"}
USER_DATA = "#!/bin/sh\ntouch /run/failed-over\n"


def is_of_production(action):
    """Looking at what is there is the same in a test."""
    return not reads(action) or action in (*KMS, *IAM)


class ProductionWorld(World):
    fail_over = ("failover", "start", "dr", "--datacenter-is-down")

    def set_up(self, **plan):
        super().set_up(**plan)
        self.scene.region_request("POST", "/rekindle-sandbox/keys", KEY)
        self.scene.region_request("POST", "/rekindle-sandbox/instance-profiles", PROFILE)
        self.address = self.scene.ec2().call("AllocateAddress").findtext("allocationId")
        self.scene.apply_plan(self.change)

    def change(self, plan):
        plan.update(encrypt_copies=True, copies_kms_key=KEY["alias"])
        plan["production"].update(public_ip=self.address, user_data=USER_DATA, instance_profile=PROFILE["name"],
                                  volumes={"encrypted": True, "kms_key": KEY["alias"]})

    def go_on(self, command, is_done, resume):
        """Every other time that a failover would be resumed it is given up first, and then begun again."""
        if resume and command == self.fail_over and self.kills % 4 == 0:
            self.scene.run(*self.clean_up)
            self.check()
            self.test.assertEqual(self.books.failovers(), [])
            resume = False
        return super().go_on(command, is_done, resume)

    def check(self):
        super().check()
        running = [one["instance_id"] for one in self.books.failovers()]
        (machine,) = self.books.records("machine")
        self.test.assertEqual(machine["runs_at"], "account" if running else "datacenter")
        holder = self.scene.ec2().call("DescribeAddresses").findtext(".//instanceId")
        self.test.assertEqual([holder] if holder else [], running)
        inventory = self.scene.inventory()
        for one in filter(exists, inventory["instances"]):
            self.test.assertEqual(base64.b64decode(one["user_data"]).decode(), USER_DATA)
        for one in filter(exists, [*inventory["volumes"], *inventory["snapshots"]]):
            self.test.assertTrue(one["encrypted"], one["id"])

    def check_holds_zeros(self):
        """A block that the copy lacks would be noise on an encrypted volume."""
        self.check_content(None)
        copy = self.books.current_copy()
        listed = listed_blocks(self.scene.sandbox["region"], copy["disks"][0]["image_id"])
        self.test.assertEqual(listed, list(range(len(self.digests[copy["recovery_point_id"]]))))
