"""The other guests do not boot without conversion either."""

import unittest

from negative_test import UnconvertedDoesNotBoot


class UefiUnconverted(UnconvertedDoesNotBoot):
    variant = "uefi"


class SystemdUnconverted(UnconvertedDoesNotBoot):
    variant = "bios-systemd"


del UnconvertedDoesNotBoot  # plays in tests/e2e

if __name__ == "__main__":
    unittest.main()
