"""Killed on the way home, and started again: the machine is alive at exactly one site, nothing is lost and nothing is left
behind. In the failback itself (BEFORE and AFTER), while it is given up (GIVING_UP), in the backups of the instance
(crash_world.INSTANCE_BACKUP, REMOVING and GIVING_UP_A_BACKUP), and while the instance that was kept is removed after its time
(REMOVING_KEPT). Then a second disaster in the middle."""

import os
import unittest

from crash_world import CLEANUP, INSTANCE_BACKUP
from failback_world import AwayFromHome
from scene import http_get
from vim import wait_until

HOME = ("failback", "start", "dr")
GIVE_UP = ("failback", "cancel", "dr")
BACK_UP = ("backup", "run", "web")
RESUME = ("job", "resume")

# While the instance runs, and after it was told to stop.
BEFORE = ["created", "check/done", "prepare/intended", "prepare/made", "prepare/saved", "pass/writing", "copy/before",
          "copy/saved", "mark/made", "mark/saved"]
AFTER = ["stop/intended", "stop/done", "last_copy/before", "last_copy/saved", "start/intended", "start/done",
         "wait_service/done", "record/before", "record/done", "tidy/before"]
# In this order: the VM at home is switched off before the instance runs again.
GIVING_UP = ["failback/cleaning", "failback/clean_up/home_off", "failback/clean_up/runs_again"]
# The snapshot of the backup before is gone, and still in the ledger.
REMOVING = "sweep/instance_snapshot/removed"
GIVING_UP_A_BACKUP = ["instance_backup/cleaning", REMOVING, "instance_backup/clean_up/swept"]
# Its own steps, and within the last of them both things that go.
REMOVING_KEPT = [*CLEANUP[:-2], "sweep/instance/removed", REMOVING, *CLEANUP[-2:]]


class KilledOnTheWayHome(AwayFromHome):
    def die_at(self, point):
        self.die(HOME, f"failback/{point}")

    def test_at_every_step(self):
        self.go_away()
        for point in BEFORE:
            with self.subTest(point):
                self.die_at(point)
                self.scene.run(*GIVE_UP)
                self.assertEqual(self.instances(), ["running"])
        for point in AFTER:
            with self.subTest(point):
                there = self.ledger_there()
                self.die_at(point)
                self.come_home(there)
                self.go_away()
        self.expect_no_orphans()

    def test_the_datacenter_is_lost_again(self):
        self.go_away()
        there = self.ledger_there()
        self.die_at("start/done")
        self.scene.strike()
        refused = self.scene.run(*GIVE_UP, check=False)
        self.assertNotEqual(refused[0], 0)
        self.assertIn("--datacenter-is-down", refused[2])
        self.scene.run(*GIVE_UP, "--datacenter-is-down")
        wait_until(lambda: self.instances() == ["running"])
        again = self.ledger_there()
        self.assertEqual(again[:len(there)], there)
        self.scene.start_servers("--revive")
        self.come_home(again)


class KilledWhileItIsGivenUp(AwayFromHome):
    def test_it_goes_on_in_the_account_and_comes_home_later(self):
        self.go_away()
        there = self.ledger_there()
        self.die(HOME, "failback/start/done")
        for point in GIVING_UP:
            with self.subTest(point):
                self.die(GIVE_UP, point)
        self.assertEqual(self.scene.machine_status()["power"], "poweredOff")
        wait_until(lambda: self.instances() == ["running"])
        again = self.ledger_there()
        self.assertEqual(again[:len(there)], there)
        self.come_home(again)  # after the one that was given up is over
        self.assertEqual(self.unfinished(), [])
        self.expect_no_orphans()


class KilledInABackupOfTheInstance(AwayFromHome):
    """Of its own, and as a pass of a failback."""

    def test_at_every_step(self):
        self.go_away()
        self.of_copies = self.snapshots_there()
        self.scene.back_up()
        for turn, point in enumerate([*INSTANCE_BACKUP, REMOVING]):
            with self.subTest(point=point, turn=turn):
                self.write(turn)
                self.kill_one(turn, point)
                self.check_backups()
        self.give_one_up()
        there = self.ledger_there()
        digest = http_get(self.scene.instance_url("/digest"), timeout=120)
        self.come_home(there)
        self.assertEqual(http_get(self.scene.source_url("/digest"), timeout=120), digest)

    def snapshots_there(self):
        return {one["id"] for one in self.scene.inventory()["snapshots"]}

    def write(self, turn):
        http_get(self.scene.instance_url(f"/scatter?mib=1&seed={turn}"), timeout=60)

    def backups(self):
        return [job for job in self.scene.json("job", "list") if job["kind"] == "instance_backup"]

    def kill_one(self, turn, point):
        """By turns as a pass, and gone on with by the next command or by 'job resume'."""
        known = {job["id"] for job in self.backups()}
        of_its_own = turn % 2 == 0
        self.die(BACK_UP if of_its_own else HOME, point)
        killed, = [job["id"] for job in self.backups() if job["id"] not in known]
        if not of_its_own:
            self.scene.run(*GIVE_UP)
            self.assertEqual(self.instances(), ["running"])
        self.scene.run(*(BACK_UP if turn % 4 < 2 else RESUME))
        job = self.scene.json("job", "show", killed)
        self.assertEqual(job["state"], "succeeded", job["error"])

    def check_backups(self):
        """One snapshot stays for the next backup to ask, and no point is known to one side alone."""
        self.assertEqual(self.unfinished(), [])
        self.assertEqual(len(self.snapshots_there() - self.of_copies), 1)
        self.assertEqual(self.points_in_the_vault(), len(self.scene.json("backup", "list")))
        self.assertEqual(self.scene.machine_snapshots(), [])
        self.expect_no_orphans()

    def points_in_the_vault(self):
        return sum(len(files) for _, _, files in os.walk(os.path.join(self.scene.vault, "points")))

    def give_one_up(self):
        """Its point is in the vault, and in no catalog."""
        self.write(99)
        self.die(BACK_UP, "instance_backup/read/committed")
        job, = self.unfinished()
        self.scene.run("job", "cancel", job["id"])
        for point in GIVING_UP_A_BACKUP:
            with self.subTest(point):
                self.die(RESUME, point)
        self.scene.run(*RESUME)
        self.assertEqual(self.scene.json("job", "show", job["id"])["state"], "cancelled")
        self.check_backups()


class KilledWhileTheKeptInstanceIsRemoved(AwayFromHome):
    """By the daemon, when its time is over; each start goes on where the one before was killed."""

    def test_it_is_removed_once_and_home_is_not_touched(self):
        self.scene.apply_plan(lambda plan: plan.update(keep_days=0))
        self.go_away()
        self.come_home(self.ledger_there())
        self.assertEqual(self.instances(), ["stopped"])
        self.scene.back_up()
        self.scene.replicate()
        for point in REMOVING_KEPT:
            with self.subTest(point):
                self.die(("serve", "--once"), point)
                self.assertEqual(self.scene.machine_status()["power"], "poweredOn")
        self.scene.run("serve", "--once")
        self.assertEqual(self.unfinished(), [])
        self.assertEqual(self.instances(), [])
        inventory = self.scene.inventory()
        self.assertEqual(len(inventory["snapshots"]), 1, "the DR copy and nothing else")
        self.assertEqual(inventory["volumes"], [])
        self.assertEqual(self.scene.failover()["state"], "released")
        self.expect_no_orphans()


if __name__ == "__main__":
    unittest.main()
