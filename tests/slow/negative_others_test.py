"""A systemd guest does not boot without conversion either."""

import unittest

import negative_test


class SystemdUnconverted(negative_test.UnconvertedDoesNotBoot):
    variant = "bios-systemd"


if __name__ == "__main__":
    unittest.main()
