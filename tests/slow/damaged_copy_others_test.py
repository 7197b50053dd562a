"""A damaged copy that was written through volumes, with an AMI, is found and made anew, too."""

import os
import unittest

import damaged_copy_test


class DamagedCopyThroughVolumesWithAmi(damaged_copy_test.DamagedCopy):
    write, workflow = "volume", "ami"

    def setUp(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")

    def choose_the_way(self):
        self.scene.add_account_of_a_proxy()
        super().choose_the_way()


if __name__ == "__main__":
    unittest.main()
