"""The whole road with a guest that knows its hardware by name: systemd, a NIC configured as ens19, root=/dev/sda1."""

import unittest

from road_test import Road


class SystemdRoad(Road):
    variant = "bios-systemd"


del Road  # plays in tests/e2e

if __name__ == "__main__":
    unittest.main()
