"""The vault survives 200 times kill -9 at any moment of backups, restores, removals and collections."""

import tempfile
import unittest

from vault_kills import VaultKills
from vault_world import MIB


class VaultKilledAgainAndAgain(unittest.TestCase):
    def test_two_hundred_kills_lose_nothing(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        VaultKills(self, folder, 128 * MIB).until(200)


if __name__ == "__main__":
    unittest.main()
