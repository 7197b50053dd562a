"""Killed at any instant, Rekindle goes on or cleans up: at every crash point of every kind of job, at random moments,
and with the sandbox's servers killed under it. After each: no unfinished job, and at the sites exactly what the
catalog lists."""

import concurrent.futures
import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from crash_world import BACKUP, CLEANUP, COMMANDS, FAILOVER, REPLICATE, world_of
from scene import BINARY, http_get, ledger_lines, wait_for_http


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
        self.try_a_failover_beside_a_replicate(world)

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

    def try_a_failover_beside_a_replicate(self, world):
        """A test leaves the replication alone: it waits, and starts from the copy that comes."""
        world.write()
        world.scene.back_up()
        world.scene.region_fault(action="PutSnapshotBlock", kind="latency", delay_ms=3000, times=-1)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            replication = pool.submit(world.scene.replicate)
            job = self.running_replicate(world, replication)
            err = world.scene.run("failover", "start", "dr", "--test", "--json")[2]
            replication.result()
        (waits,) = [line for line in err.splitlines() if line.startswith('{"progress":')]
        self.assertIn(f"Waiting for replicate {job} of web;", json.loads(waits)["progress"])
        world.scene.region_request("DELETE", "/rekindle-sandbox/faults")
        world.check_job(job, "succeeded")
        newest = world.scene.json("backup", "list")[-1]
        self.assertEqual(world.scene.failover()["recovery_point_id"], newest["id"])
        world.check()
        world.end_failovers()

    def running_replicate(self, world, replication):
        while not replication.done():
            newest = world.scene.json("job", "list")[-1]
            if (newest["kind"], newest["state"]) == ("replicate", "running"):
                return newest["id"]
            time.sleep(0.05)
        self.fail(f"the replication was over before it was seen: {replication.result()}")


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
        self.end_one_that_was_killed(world)
        self.kill_a_failover_that_cleans(world)
        for by_next_command in (False, True):
            self.kill_a_clean_up_that_cleans(world, by_next_command)

    def kill_the_clean_up(self, world, point, by_next_command):
        world.kill_and_come_back(point, by_next_command)
        self.assertEqual(world.failovers(), [])

    def end_one_that_was_killed(self, world):
        """Nobody wants it any more: its instance goes, which no failover names yet, and its job ends."""
        for point in ("failover/launch/made", "failover/wait_running/saved"):
            job = world.kill(point)
            world.end_failovers()
            world.check_job(job, "cancelled")

    def kill_a_failover_that_cleans(self, world):
        world.scene.region_fault(action="RunInstances", kind="instance_dies", code="Server.InternalError")
        world.kill_and_come_back("failover/cleaning", by_next_command=False, state="failed")
        self.assertEqual(world.failovers(), [])

    def kill_a_clean_up_that_cleans(self, world, by_next_command):
        world.scene.fail_over("--test")
        world.scene.region_fault(action="TerminateInstances", kind="error", code="OperationNotPermitted")
        world.kill_and_come_back("failover_cleanup/cleaning", by_next_command, state="failed")
        self.assertEqual(world.failovers(), [])


KINDS = ("backup", "replicate", "failover", "failover_cleanup")


class KilledAtRandom(unittest.TestCase):
    kills = 12

    def test_the_data_survives(self):
        seed = int(os.environ.get("REKINDLE_SEED") or random.randrange(2**32))
        print(f"again with REKINDLE_SEED={seed}", flush=True)
        chance = random.Random(seed)
        world = world_of(self)
        for turn in range(self.kills):
            kind = KINDS[turn % len(KINDS)]
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
