"""Every call of replicate, failover and clean-up is refused, lost, and the process killed at it; by both ways of writing
and both workflows, in tests and in production."""

import itertools
import os
import unittest

from every_call import KILLS, KMS, LOSSES, SSM, World, cases_of
from production_calls import ProductionWorld, is_of_production


def replicate(world):
    world.full()
    full = cases_of(world.counts)
    world.check_content(None)
    world.incremental()
    incremental = cases_of(world.counts)
    for case in incremental:
        world.incremental(case)
    world.check_content(None)
    for case in full:
        world.full(case)
    world.check_content(None)


def fail_over(world):
    world.full()
    start, clean_up = map(cases_of, world.failover())
    for start_case, clean_up_case in itertools.zip_longest(start, clean_up):
        world.failover(start_case, clean_up_case)


class DirectReplicate(unittest.TestCase):
    def test_every_call(self):
        world = World(self)
        replicate(world)
        world.tell("replicate, written directly")


class FailoverThatConverts(unittest.TestCase):
    def test_every_call(self):
        world = World(self, convert="at-failover")
        fail_over(world)
        world.tell("failover from snapshots that are converted now")


class ThroughVolumes(unittest.TestCase):
    def setUp(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        self.world = World(self, write="volume", workflow="ami")

    def test_every_call_of_replicate(self):
        replicate(self.world)
        self.world.tell("replicate through volumes, with an AMI")

    def test_every_call_of_a_failover_with_all_settings(self):
        world = self.world
        address = world.scene.ec2().call("AllocateAddress").findtext("allocationId")
        world.scene.apply_plan(lambda plan: plan["test"].update(
            public_ip=address, source_dest_check=False, leave_stopped=True))
        fail_over(world)
        world.tell("failover from an AMI, with all settings")


class Production(unittest.TestCase):
    """Only what is not the same as in the others: the calls that change something while it is production's machine that
    they change, those that an encrypted copy begins and ends with, and those about keys and roles."""

    def test_every_call(self):
        world = ProductionWorld(self)
        self.replicate_whole(world)
        start, clean_up = (cases_of(counts, is_of_production) for counts in world.failover())
        for start_case, clean_up_case in itertools.zip_longest(start, clean_up):
            world.failover(start_case, clean_up_case)
        world.tell("production, encrypted, with an Elastic IP, user data and a role")

    def replicate_whole(self, world):
        world.full()
        world.check_holds_zeros()
        for case in cases_of(world.counts, lambda action: action in ("StartSnapshot", "CompleteSnapshot", *KMS)):
            if case.action in KMS or case.mode in (*LOSSES, *KILLS):
                world.full(case)
        world.check_holds_zeros()


class ScriptInside(unittest.TestCase):
    """Only the calls that run a step's script inside the machine, each the first time: it boots for each of them."""

    def test_every_call(self):
        world = World(self)
        world.scene.region_request("POST", "/rekindle-sandbox/instance-profiles", {"name": "managed", "role": "agents"})
        world.scene.apply_plan(self.with_a_script)
        world.full()
        start, _ = world.failover()
        for case in cases_of(start, lambda action: action in SSM):
            if case.number == 1:
                world.failover(case)
                # One that nobody may watch is ended, and run again when it is asked for again.
                unwatched = (case.action, case.mode) == ("GetCommandInvocation", "denied")
                self.assert_it_ran(world, ("1\n", "2\n") if unwatched else ("1\n",))
        world.tell("a script inside the machine")

    def with_a_script(self, plan):
        plan["production"]["instance_profile"] = "managed"
        machine = plan["machines"][0]["machine"]
        plan["steps"] = [{"name": "inside", "machines": [machine], "script_on": [machine],
                          "script": "echo ran >>/root/ran; wc -l </root/ran"}]

    def assert_it_ran(self, world, told):
        """In an instance that was made for this."""
        run = [job for job in world.scene.json("job", "list") if job["kind"] == "plan_failover"][-1]
        (output,) = run["data"]["steps"]["inside"]["script_outputs"].values()
        self.assertIn(output, told)


if __name__ == "__main__":
    unittest.main()
