"""Some of the calls of replicate, failover and clean-up refused, lost, or the process killed at them; tests/slow has them
all."""

import os
import random
import unittest

from every_call import World, cases_of

OF_EACH = 10  # cases


class SomeCalls(unittest.TestCase):
    def test_a_sample(self):
        seed = int(os.environ.get("REKINDLE_SEED") or random.randrange(2**32))
        print(f"again with REKINDLE_SEED={seed}", flush=True)
        chance = random.Random(seed)
        world = World(self)
        world.full()
        world.incremental()
        replicate = chance.sample(cases_of(world.counts), OF_EACH)
        start, clean_up = (chance.sample(cases_of(counts), OF_EACH) for counts in world.failover())
        for case in replicate:
            world.incremental(case)
        world.check_content(None)
        for start_case, clean_up_case in zip(start, clean_up):
            world.failover(start_case, clean_up_case)
        world.tell(f"a sample with REKINDLE_SEED={seed}")


if __name__ == "__main__":
    unittest.main()
