"""Killed at any instant, Rekindle goes on or cleans up: at every crash point of every kind of job, at random moments,
and with the sandbox's servers killed under it. After each: no unfinished job, and at the sites exactly what the
catalog lists."""

import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from scene import BINARY, Scene, http_get, ledger_lines, wait_for_http


def crash_points(kind, steps, finer):
    """In the order in which a job passes them."""
    points = [f"{kind}/created"]
    for step in steps:
        own = [f"{kind}/{step}/{place}" for place in finer.get(step, [])]
        points += [f"{kind}/{step}/before", *own, f"{kind}/{step}/done", f"{kind}/{step}/saved"]
    return points


BACKUP = crash_points("backup", ["prepare", "snapshot", "read", "record", "remove_snapshot"],
                      {"snapshot": ["intended", "made"], "read": ["written", "committed"]})
REPLICATE = crash_points("replicate", ["choose", "convert", "start_images", "write", "verify", "register", "switch",
                                       "remove_old"],
                         {"start_images": ["intended", "made"], "write": ["window", "put", "completed"]})
FAILOVER = crash_points("failover", ["check", "convert", "register", "launch", "wait_running", "adjust",
                                     "wait_service", "record", "tidy"],
                        {step: ["intended", "made"] for step in ("convert", "register", "launch")})
CLEANUP = crash_points("failover_cleanup", ["release", "terminate"], {})

COMMANDS = {"backup": ("backup", "run", "web"), "replicate": ("replicate", "run", "dr"),
            "failover": ("failover", "start", "dr", "--test"), "failover_cleanup": ("failover", "clean-up", "dr")}


def lives(resource):
    return resource["state"] not in ("terminated", "shutting-down")


class World:
    """A protected machine, and what must be true of it."""

    def __init__(self, test, scene):
        self.test = test
        self.scene = scene
        self.seed = 0

    def set_up(self, **plan):
        scene = self.scene
        scene.add_datacenter()
        scene.add_account()
        scene.run("vault", "create", "main", "--directory", scene.vault)
        scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", scene.machine)
        scene.create_plan(health_check="", **plan)
        scene.back_up()
        scene.replicate()
        self.check()

    def write(self):
        """The guest changes a little, so that there is something to move."""
        self.seed += 1
        http_get(self.scene.source_url(f"/scatter?mib=1&seed={self.seed}"), timeout=60)

    # Killing, and coming back.

    def kill(self, point):
        """Runs the command that passes the point; it must die there."""
        before = {job["id"] for job in self.scene.json("job", "list")}
        status, _, err = self.scene.run(*COMMANDS[point.split("/")[0]], env={"REKINDLE_KILL_AT": point}, check=False)
        self.test.assertEqual(status, -signal.SIGKILL, f"{point} was not reached: {err}")
        self.check_copy()
        self.check_once()
        kind = point.split("/")[0]
        (job,) = [one for one in self.scene.json("job", "list") if one["id"] not in before and one["kind"] == kind]
        return job["id"]

    def come_back(self, kind, by_next_command):
        if by_next_command:
            self.scene.run(*COMMANDS[kind])
        else:
            self.scene.run("job", "resume")

    def kill_and_come_back(self, point, by_next_command, state="succeeded"):
        kind = point.split("/")[0]
        with self.test.subTest(point=point, by_next_command=by_next_command):
            job = self.kill(point)
            self.come_back(kind, by_next_command)
            self.check_job(job, state)
            self.check()

    # What must be true.

    def check_job(self, job, state):
        body = self.scene.json("job", "show", job)
        self.test.assertEqual(body["state"], state, body["error"])
        if state == "failed":
            self.test.assertTrue(body["error"], "a failed job says why")
        self.test.assertNotIn("left_behind", body["data"])

    def check(self):
        """Nothing is unfinished, and the sites hold what the catalog lists: no more, no less."""
        self.test.assertEqual(self.unfinished(), [])
        self.test.assertEqual(self.scene.machine_snapshots(), [])
        self.check_copy()
        self.check_once()
        inventory = self.scene.inventory()
        listed = [disk["image_id"] for copy in self.scene.json("replicate", "list") for disk in copy["disks"]]
        self.test.assertEqual(sorted(one["id"] for one in inventory["snapshots"]), sorted(listed))
        self.test.assertEqual(inventory["images"], [])
        running = sorted(one["instance_id"] for one in self.failovers())
        self.test.assertEqual(sorted(one["id"] for one in inventory["instances"] if lives(one)), running)
        holders = sorted(one["attachment"]["instance_id"] for one in inventory["volumes"])
        self.test.assertEqual(holders, running, "one volume each, of an instance that runs")

    def check_copy(self):
        """There is one current DR copy at any instant, and it is whole."""
        (current,) = [copy for copy in self.scene.json("replicate", "list") if copy["state"] == "current"]
        complete = {one["id"] for one in self.scene.inventory()["snapshots"] if one["state"] == "completed"}
        for disk in current["disks"]:
            self.test.assertIn(disk["image_id"], complete)

    def check_once(self):
        """A job makes a thing once. The region shows terminated instances for an hour."""
        inventory = self.scene.inventory()
        for kind in ("snapshots", "images", "instances", "volumes"):
            jobs = [one["tags"].get("rekindle:job") for one in inventory[kind]]
            self.test.assertNotIn(None, jobs, f"every one of {kind} says whose it is")
            self.test.assertEqual(len(jobs), len(set(jobs)), f"one of {kind} for each job")

    def unfinished(self):
        over = ("succeeded", "failed", "cancelled")
        return [job for job in self.scene.json("job", "list") if job["state"] not in over]

    def failovers(self):
        return [one for one in self.scene.json("failover", "list") if one["state"] == "running"]

    def end_failovers(self):
        self.scene.run(*COMMANDS["failover_cleanup"])
        self.check()
        self.test.assertEqual(self.failovers(), [])


def world_of(test, **plan):
    """Lasts until the test ends."""
    world = World(test, test.enterContext(Scene("bios")))
    world.set_up(**plan)
    return world


class ProtectionKilledAtEveryPoint(unittest.TestCase):
    def test_backup_and_replicate(self):
        world = world_of(self)
        for turn in range(max(len(BACKUP), len(REPLICATE))):
            world.write()
            if turn < len(BACKUP):
                world.kill_and_come_back(BACKUP[turn], by_next_command=turn % 4 == 3)
            else:
                world.scene.back_up()
            if turn < len(REPLICATE):
                world.kill_and_come_back(REPLICATE[turn], by_next_command=turn % 2 == 1)

        world.write()
        self.kill_a_backup_that_cleans(world)
        world.scene.back_up()
        self.kill_a_replicate_that_cleans(world)
        self.fail_over_past_an_interrupted_replicate(world)

    def kill_a_backup_that_cleans(self, world):
        away = world.scene.vault + ".away"
        os.rename(world.scene.vault, away)
        job = world.kill("backup/cleaning")
        self.assertNotEqual(world.scene.machine_snapshots(), [], "there is something to clean")
        shutil.rmtree(world.scene.vault, ignore_errors=True)
        os.rename(away, world.scene.vault)
        world.come_back("backup", by_next_command=False)
        world.check_job(job, "failed")
        world.check()

    def kill_a_replicate_that_cleans(self, world):
        world.scene.region_fault(action="PutSnapshotBlock", kind="error", code="ValidationException")
        world.kill_and_come_back("replicate/cleaning", by_next_command=True, state="failed")

    def fail_over_past_an_interrupted_replicate(self, world):
        """A disaster does not wait: the unfinished copy goes, the machine starts from the one before."""
        world.write()
        world.scene.back_up()
        (before,) = world.scene.json("replicate", "list")
        job = world.kill("replicate/write/window")
        world.scene.fail_over("--test")
        world.check_job(job, "cancelled")
        self.assertEqual(world.scene.failover()["recovery_point_id"], before["recovery_point_id"])
        world.check()
        world.end_failovers()


class FailoverKilledAtEveryPoint(unittest.TestCase):
    def test_failover_and_its_clean_up(self):
        world = world_of(self, convert="at-failover")  # so that there is a conversion to be killed in
        for turn, point in enumerate(FAILOVER):
            world.kill_and_come_back(point, by_next_command=turn % 2 == 1)
            self.assertEqual(len(world.failovers()), 1)
            if turn < 2 * len(CLEANUP):
                self.kill_the_clean_up(world, CLEANUP[turn // 2], by_next_command=turn % 2 == 0)
            else:
                world.end_failovers()
        self.kill_a_failover_that_cleans(world)
        for by_next_command in (False, True):
            self.kill_a_clean_up_that_cleans(world, by_next_command)

    def kill_the_clean_up(self, world, point, by_next_command):
        world.kill_and_come_back(point, by_next_command)
        self.assertEqual(world.failovers(), [])

    def kill_a_failover_that_cleans(self, world):
        world.scene.region_fault(action="RunInstances", kind="instance_dies", code="Server.InternalError")
        world.kill_and_come_back("failover/cleaning", by_next_command=False, state="failed")
        self.assertEqual(world.failovers(), [])

    def kill_a_clean_up_that_cleans(self, world, by_next_command):
        world.scene.fail_over("--test")
        world.scene.region_fault(action="TerminateInstances", kind="error", code="OperationNotPermitted")
        world.kill_and_come_back("failover_cleanup/cleaning", by_next_command, state="failed")
        self.assertEqual(world.failovers(), [])


class KilledAtRandom(unittest.TestCase):
    kills = 12

    def test_the_data_survives(self):
        seed = int(os.environ.get("REKINDLE_SEED") or random.randrange(2**32))
        print(f"again with REKINDLE_SEED={seed}", flush=True)
        chance = random.Random(seed)
        world = world_of(self)
        for turn in range(self.kills):
            kind = list(COMMANDS)[turn % len(COMMANDS)]
            with self.subTest(seed=seed, turn=turn, kind=kind):
                self.prepare(world, kind)
                self.kill_at(world, kind, chance.uniform(0.02, 2.5 if kind in ("backup", "replicate") else 1.0))
                by_next_command = chance.random() < 0.5
                # A second failover beside one that just succeeded would be refused.
                world.come_back(kind, by_next_command and bool(world.unfinished()))
                world.check()
        world.end_failovers()
        self.recover(world)

    def prepare(self, world, kind):
        if kind == "backup":
            world.write()
        if kind == "failover":
            world.end_failovers()

    def kill_at(self, world, kind, seconds):
        process = subprocess.Popen([BINARY, *COMMANDS[kind]], env={**os.environ, **world.scene.env()},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.kill()
        process.wait()
        world.check_copy()
        world.check_once()

    def recover(self, world):
        """Everything that was acknowledged before the last backup is there after the disaster."""
        scene = world.scene
        acknowledged = ledger_lines(http_get(scene.source_url("/ledger")))
        scene.back_up()
        scene.replicate()
        at_disaster = ledger_lines(http_get(scene.source_url("/ledger")))
        scene.strike()
        scene.fail_over()
        wait_for_http(scene.instance_url("/ready"))
        ledger = ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))
        kept = [line for line in ledger if line[2] == acknowledged[-1][2]]
        self.assertGreater(len(acknowledged), 0)
        self.assertEqual(ledger[:len(acknowledged)], acknowledged, "every acknowledged line is there")
        self.assertEqual(kept, at_disaster[:len(kept)], "none is invented")


class SandboxServersKilled(unittest.TestCase):
    """kill -9 of the other side: the job survives by its retries or ends clean, and the second try goes through."""

    def test_the_region_in_mid_replicate_and_the_datacenter_in_mid_backup(self):
        world = world_of(self)
        self.kill_region(world)
        self.kill_datacenter(world)
        world.write()
        world.scene.back_up()
        world.scene.replicate()
        world.check()

    def kill_region(self, world):
        scene = world.scene
        world.write()
        scene.back_up()
        scene.region_fault(action="PutSnapshotBlock", kind="latency", delay_ms=300, times=-1)
        puts = scene.puts()
        self.kill_under(world, "region", "replicate", lambda: scene.puts() > puts)

    def kill_datacenter(self, world):
        world.write()
        self.kill_under(world, "datacenter", "backup", lambda: world.scene.machine_snapshots() != [])

    def kill_under(self, world, server, kind, is_in_the_middle):
        scene = world.scene
        process = subprocess.Popen([BINARY, *COMMANDS[kind]], env={**os.environ, **scene.env()},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            while not is_in_the_middle():
                self.assertIsNone(process.poll(), f"the {kind} was over too soon")
                time.sleep(0.02)
            os.kill(scene.sandbox[server]["pid"], signal.SIGKILL)
            scene.start_servers()
            err = process.communicate()[1]
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
        print(f"{kind} with its {server} killed: exit status {process.returncode} {err.strip()}", flush=True)
        self.assertIn(process.returncode, (0, 1))
        world.check_once()
        if process.returncode != 0:
            scene.run(*COMMANDS[kind])
        world.check()


if __name__ == "__main__":
    unittest.main()
