"""Every call that an operation makes to AWS is refused, lost before and lost after it took effect, and the process is
killed right before and right after it: what every_call_test plays on.

A clean run of the command tells how often it makes each call. A case is one of them, the third DescribeSnapshots, and
what happens to it. After that the user gives the command again, or resumes the job, until it is done. At every moment
there is at most one instance of the machine, the current DR copy is whole, and the ledger knows all that exists; in the
end the region holds what the catalog lists, no more and no less."""

import collections
import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from typing import NamedTuple

from scene import Scene, http_get
from stored_blocks import differing_blocks, point_digests

EBS = ("StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "ListSnapshotBlocks", "ListChangedBlocks",
       "GetSnapshotBlock")
KMS = ("DescribeKey", "GenerateDataKeyWithoutPlaintext")
IAM = ("GetInstanceProfile",)
SSM = ("SendCommand", "ListCommands", "GetCommandInvocation", "DescribeInstanceInformation")
# What the region does to the call; by the kind of its error for EC2, and for EBS, KMS, IAM and SSM.
REFUSALS = {"throttled": ("RequestLimitExceeded", "RequestThrottledException", "ThrottlingException", "Throttling",
                          "ThrottlingException"),
            "broken": ("InternalError", "InternalServerException", "InternalFailure", "InternalFailure",
                       "InternalServerError"),
            "denied": ("UnauthorizedOperation", "AccessDeniedException", "AccessDeniedException", "AccessDenied",
                       "AccessDeniedException")}
LOSSES = ("lose_request", "lose_response")
KILLS = ("sent", "answered")
MODES = (*REFUSALS, *LOSSES, *KILLS)
# What only reads: that its answer is lost is as if it had not been sent, before the process is killed or goes on.
READING = ("Describe", "List", "Get")
OF_READING = tuple(mode for mode in MODES if mode not in ("lose_response", "answered"))
# Calls of which there are hundreds alike, some of them at random blocks: the first, one in the middle, and a later one
# (how many there are varies a little: the last may not be reached).
MANY = ("PutSnapshotBlock", "GetSnapshotBlock")
# Each incremental copy is a child of the one before; a new beginning keeps the chain of layers short.
LONGEST_CHAIN = 20
CONTENT_EVERY = 10  # cases


class Case(NamedTuple):
    action: str
    number: int  # 1: the first call of this action
    mode: str

    def rule(self):
        """For the region's faults."""
        rule = {"action": self.action, "skip": self.number - 1, "times": 1}
        if self.mode in LOSSES:
            return {**rule, "kind": self.mode}
        service = next((at for at, of in enumerate((EBS, KMS, IAM, SSM), 1) if self.action in of), 0)
        return {**rule, "kind": "error", "code": REFUSALS[self.mode][service]}


def reads(action):
    return action.startswith(READING)


def cases_of(counts, is_meant=lambda action: True):
    """All cases, by what a clean run counted, of the actions that are meant."""
    cases = []
    for action, calls in sorted(counts.items()):
        if not is_meant(action):
            continue
        numbers = range(1, calls + 1)
        if action in MANY:
            numbers = sorted({1, (calls + 1) // 2, max(1, calls * 2 // 3)})
        cases += [Case(action, number, mode) for number in numbers for mode in (OF_READING if reads(action) else MODES)]
    return cases


class Books:
    """The product's catalog, read past the product: cheap enough to look into it all the time."""

    def __init__(self, scene):
        self.file = os.path.join(scene.home, "catalog.db")

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as books, books:
            return books.execute(sql, values).fetchall()

    def records(self, kind):
        return [json.loads(body) for (body,) in
                self.rows("SELECT body FROM records WHERE kind = ? ORDER BY sequence", kind)]

    def current_copy(self):
        return next((copy for copy in self.records("dr_copy") if copy["state"] == "current"), None)

    def failovers(self):
        return [one for one in self.records("failover") if one["state"] == "running"]

    def live_tokens(self):
        return {token for (token,) in self.rows("SELECT token FROM ledger WHERE released = 0")}

    def unfinished(self):
        return [job for (job,) in self.rows("SELECT body FROM jobs WHERE over = 0")]

    def make_newest(self, point, others):
        """Puts away the recovery points that came after this one, as if they had not been made yet."""
        for one in (point, *others):
            subject = point["machine"]["name"] if one is point else "put away"
            self.rows("UPDATE records SET subject = ? WHERE kind = 'recovery_point' AND key = ?", subject, one["id"])


def exists(resource):
    return resource["state"] not in ("terminated", "deleting") and not resource.get("proxy")


class Watch(threading.Thread):
    """Looks at the region as long as the block lasts, and notes what must never be."""

    def __init__(self, scene, books):
        super().__init__()
        self.scene = scene
        self.books = books
        self.had_copy = books.current_copy() is not None
        self.over = threading.Event()
        self.looks = 0
        self.wrongs = {}  # in their order, once

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def run(self):
        while True:
            is_last = self.over.is_set()
            try:
                self.look()
            except OSError:
                pass  # the region has much to do: the next look tells
            except Exception as wrong:  # pylint: disable=broad-except
                self.note(repr(wrong))
            if is_last:
                return
            self.over.wait(0.05)

    def note(self, wrong):
        self.wrongs[wrong] = True

    def look(self):
        """Between two looks into the catalog, so that what it said both times was true at the region meanwhile."""
        copy, tokens = self.books.current_copy(), self.books.live_tokens()
        inventory = self.scene.inventory()
        same = copy is not None and (self.books.current_copy() or {}).get("id") == copy["id"]
        tokens |= self.books.live_tokens()
        self.looks += 1
        if self.had_copy and copy is None:
            self.note("there is no DR copy any more")
        complete = {one["id"] for one in inventory["snapshots"] if one["state"] == "completed"}
        for disk in copy["disks"] if same else []:
            if disk["image_id"] not in complete:
                self.note(f"{disk['image_id']} of the current DR copy is not whole")
        instances = [one["id"] for one in inventory["instances"] if exists(one)]
        if len(instances) > 1:
            self.note(f"{instances} at once")
        for kind in ("snapshots", "images", "volumes", "instances"):
            for one in filter(exists, inventory[kind]):
                if one["tags"].get("rekindle:token") not in tokens:
                    self.note(f"the ledger does not know {one['id']} {one['tags']}")


class World:
    """A machine with two recovery points, of which either can be the newest one. Its datacenter is gone."""

    replicate = ("replicate", "run", "dr")
    fail_over = ("failover", "start", "dr", "--test")
    clean_up = ("failover", "clean-up", "dr")

    def __init__(self, test, **plan):
        self.test = test
        self.scene = test.enterContext(Scene("bios"))
        self.outcomes = collections.Counter()
        self.unreached = []
        self.tolerated = set()
        self.begin = time.monotonic()
        self.turn = 0
        self.kills = 0  # every other one is followed by 'job resume', the others by the same command
        self.chain = 0
        self.counts = {}  # how often the last command, before it was given again, made each call
        self.set_up(**plan)
        self.books = Books(self.scene)
        self.points = self.books.records("recovery_point")
        self.digests = {point["id"]: point_digests(self.scene, point["id"]) for point in self.points}
        self.changed = [index for index, (one, other) in enumerate(zip(*self.digests.values())) if one != other]

    def set_up(self, **plan):
        scene = self.scene
        scene.add_datacenter()
        scene.add_account()
        if plan.get("write") == "volume":
            scene.add_account_of_a_proxy()
        scene.run("vault", "create", "main", "--directory", scene.vault)
        scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", scene.machine)
        scene.create_plan(health_check="", **plan)
        scene.back_up()
        http_get(scene.source_url("/scatter?mib=1&seed=1"), timeout=60)
        scene.back_up()
        scene.strike()

    # The operations. Each ends as it began, so that it can be done again.

    def full(self, case=None):
        self.scene.run("replicate", "clean-up", "dr")
        self.chain = 0
        self.perform(case, self.replicate, self.is_replicated)

    def incremental(self, case=None):
        if self.chain >= LONGEST_CHAIN:
            self.full()
        self.chain += 1
        at = self.points.index(self.newest())
        self.books.make_newest(self.points[1 - at], [self.points[at]])
        self.perform(case, self.replicate, self.is_replicated)
        if self.turn % CONTENT_EVERY == 0:
            self.check_content(self.changed + random.sample(range(len(self.digests[self.points[0]["id"]])), 20))

    def failover(self, case=None, clean_up_case=None):
        self.perform(case, self.fail_over, lambda: len(self.books.failovers()) == 1)
        counts = self.counts
        self.perform(clean_up_case, self.clean_up, lambda: not self.books.failovers())
        return counts, self.counts

    def newest(self):
        """As the product sees it."""
        ids = [key for (key,) in self.books.rows("SELECT key FROM records WHERE kind = 'recovery_point' AND subject = ?"
                                                 " ORDER BY sequence", self.scene.machine)]
        return next(point for point in self.points if point["id"] == ids[-1])

    def is_replicated(self):
        copy = self.books.current_copy()
        return copy is not None and copy["recovery_point_id"] == self.newest()["id"]

    # One case.

    def perform(self, case, command, is_done):
        self.turn += 1
        with self.test.subTest(command=command, case=case):
            try:
                self.hit(case, command, is_done)
                self.check()
            except BaseException as wrong:
                print(f"{' '.join(command)} with {case}: {wrong}", flush=True)
                self.scene.region_request("DELETE", "/rekindle-sandbox/faults")
                self.start_over(command)
                raise

    def start_over(self, command):
        """So that a case that went wrong does not spoil those after it."""
        self.scene.run("job", "resume", check=False)
        self.scene.run(*command, check=False)
        self.scene.run("account", "audit", "aws", "--remove", "--yes", check=False)

    def hit(self, case, command, is_done):
        for what in ("faults", "calls"):
            self.scene.region_request("DELETE", f"/rekindle-sandbox/{what}")
        env = {}
        if case and case.mode in KILLS:
            env["REKINDLE_KILL_AT"] = f"call/{case.action}/{case.mode}#{case.number}"
        elif case:
            self.scene.region_fault(**case.rule())
        with Watch(self.scene, self.books) as watch:
            status, _, err = self.scene.run(*command, env=env, check=False)
            self.counts = {action: count["calls"] for action, count in self.scene.calls().items()}
            self.judge(case, status, err)
            self.kills += status < 0
            times = self.go_on(command, is_done, resume=status < 0 and self.kills % 2 == 0) if status else 0
        self.test.assertEqual([*watch.wrongs], [])
        self.test.assertGreater(watch.looks, 0)
        self.test.assertTrue(is_done())
        if case and self.was_reached(case, status):
            self.outcomes[case.mode, "at once" if times == 0 else "again"] += 1
            if case.mode == "denied" and status == 0:
                self.tolerated.add(case.action)

    def judge(self, case, status, err):
        """What the one command that is hit may do."""
        if case is None or case.mode not in (*KILLS, "denied"):
            self.test.assertEqual(status, 0, err)
        elif case.mode in KILLS:
            self.test.assertIn(status, (0, -signal.SIGKILL), err)
        elif status != 0:
            self.test.assertEqual(status, 1, err)
            self.test.assertIn(case.action, err)

    def was_reached(self, case, status):
        """A clean run may have had more calls that look whether something is there already."""
        reached = status < 0 if case.mode in KILLS else self.counts.get(case.action, 0) >= case.number
        if not reached:
            self.test.assertTrue(case.action.startswith("Describe"), f"{case} was not reached")
            self.unreached.append(case)
        return reached

    def go_on(self, command, is_done, resume):
        """As a user would; returns how often the command was given again."""
        if resume:
            self.scene.run("job", "resume")
            if is_done():
                return 1
        status, _, err = self.scene.run(*command, check=False)
        self.test.assertEqual(status, 0, err)
        return 1 + resume

    # What must be true after each.

    def check(self):
        self.scene.region_request("DELETE", "/rekindle-sandbox/faults")  # one that was not reached
        self.test.assertIn("0 orphans, 0 lost", self.scene.run("account", "audit", "aws")[1])
        self.test.assertEqual(self.books.unfinished(), [])
        copies, failovers = self.books.records("dr_copy"), self.books.failovers()
        running = [one["instance_id"] for one in failovers]
        inventory = self.scene.inventory()

        def there(kind):
            return sorted(one["id"] for one in inventory[kind] if exists(one))
        self.test.assertEqual(there("snapshots"), sorted(disk["image_id"] for copy in copies for disk in copy["disks"]))
        self.test.assertEqual(there("images"), [copy["template_id"] for copy in copies if copy["template_id"]])
        self.test.assertEqual(there("instances"), running)
        self.test.assertEqual([one["attachment"]["instance_id"] for one in inventory["volumes"] if exists(one)], running)

    def check_content(self, blocks):
        """Past the product, by what boto3 reads; of all blocks, or of some."""
        copy = self.books.current_copy()
        self.test.assertEqual(differing_blocks(self.scene, copy, self.digests[copy["recovery_point_id"]], blocks), [])

    def tell(self, name):
        took = time.monotonic() - self.begin
        print(f"{name}: {self.outcomes.total()} cases in {took:.0f} s, {len(self.unreached)} not reached", flush=True)
        for (mode, outcome), count in sorted(self.outcomes.items()):
            print(f"  {mode}: {count} {outcome}", flush=True)
        print(f"  denied without harm: {', '.join(sorted(self.tolerated))}", flush=True)
