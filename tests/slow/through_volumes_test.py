"""What the tests of every day see of DR copies that are written directly, through volumes."""

import os
import unittest

import damaged_copy_test
import workflow_switch_test


class DamagedCopyThroughVolumesWithAmi(damaged_copy_test.DamagedCopy):
    write, workflow = "volume", "ami"

    def setUp(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")

    def choose_the_way(self):
        self.scene.add_account_of_a_proxy()
        super().choose_the_way()


class VolumeWorkflowSwitched(workflow_switch_test.WorkflowSwitched):
    write = "volume"
    first = "ami"

    def prepare(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        self.scene.add_account_of_a_proxy()


if __name__ == "__main__":
    unittest.main()
