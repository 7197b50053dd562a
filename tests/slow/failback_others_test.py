"""The other ways home: of a UEFI guest, and into a datacenter without the VM."""

import unittest

import failback_test
from vim import Vim, wait_until


class ComesHomeUefi(failback_test.ComesHome):
    variant = "uefi"


class ComesHomeToNothing(failback_test.ComesHomeAfterADisaster):
    """The datacenter comes back without the VM: a new one is made."""

    def prepare_home(self, scene):
        scene.start_servers("--revive")
        Vim(scene.sandbox["datacenter"]).destroy(scene.web["id"])
        wait_until(lambda: scene.machine_status() is None)

    def check_service(self, scene, before):
        scene.web = scene.machine_status()
        super().check_service(scene, before)


if __name__ == "__main__":
    unittest.main()
