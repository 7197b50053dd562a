"""Kills processes that use a vault, again and again, and looks at what is left after each."""

import collections
import os
import random
import time

from vault_world import GRACE_DAYS, VaultWorld, kill_after, outcome

MOST_POINTS = 4


class VaultKills:
    def __init__(self, test, folder, image_bytes):
        self.seed = int(os.environ.get("REKINDLE_SEED") or random.randrange(2**32))
        print(f"again with REKINDLE_SEED={self.seed}", flush=True)
        self.chance = random.Random(self.seed)
        self.test = test
        self.world = VaultWorld(test, folder, self.chance, image_bytes)
        self.kills = collections.Counter()
        self.seconds = {}  # that the kind of operation took the last time
        for step in (self.full, self.incremental, self.restore, self.collection, self.removal):
            self.finish(*step())

    # Each: what to call it, the operation, and what its end means.

    def full(self, change=True):
        if change:
            self.world.change()
        operation, point = self.world.full_backup()
        return "full backup", operation, lambda: self.world.committed(point)

    def incremental(self):
        self.world.change()
        operation, point = self.world.incremental_backup([*self.world.points][-1])
        return "incremental backup", operation, lambda: self.world.committed(point)

    def restore(self):
        point = self.chance.choice([*self.world.points])

        def ended():
            self.test.assertTrue(os.path.exists(self.world.restored))
            self.world.check_no_half_file(point)
        return "restore", self.world.restore(point), ended

    def collection(self):
        self.world.pass_days(self.chance.choice([1, GRACE_DAYS // 2, GRACE_DAYS + 1]))
        return "collection", self.world.collection(), lambda: None

    def removal(self):
        """Not the newest, which the next backup begins from."""
        point = self.chance.choice([*self.world.points][:-1])
        return "removal", self.world.removal(point), lambda: self.world.begun.pop(point)

    # Killing, and coming back.

    def finish(self, name, operation, ended):
        begin = time.monotonic()
        outcome(operation.start())
        self.seconds[name] = time.monotonic() - begin
        ended()

    def kill(self, name, operation):
        """True if it died."""
        moment = self.chance.uniform(0, self.seconds[name])
        died = kill_after(operation.start(), moment)
        self.kills[name] += died
        return died

    def kill_and_come_back(self, name, operation, ended):
        while self.kill(name, operation):
            self.world.check()
            if name == "restore":
                self.world.check_no_half_file(operation.arguments[1])
            if name == "removal" and operation.arguments[1] not in self.world.listed():
                break  # it had ended in all but its report
            if self.chance.random() < 0.7:
                self.finish(name, operation, ended)
                return
        ended()

    def kill_three_at_once(self):
        """Two backups and a collection, which do not know of each other."""
        self.world.pass_days(self.chance.choice([0, GRACE_DAYS + 1]))
        three = [self.incremental(), self.full(change=False), ("collection", self.world.collection(), lambda: None)]
        running = [(time.monotonic(), step, step[1].start()) for step in three]
        left = []
        for begin, step, process in running:
            moment = begin + self.chance.uniform(0, 2 * self.seconds[step[0]])
            if kill_after(process, max(0, moment - time.monotonic())):
                self.kills[step[0] + " beside others"] += 1
                left.append(step)
            else:
                step[2]()
        self.world.check()
        again = [(step, step[1].start()) for step in left]
        for step, process in again:
            outcome(process)
            step[2]()
        self.world.check()

    def turn(self):
        if len(self.world.points) > MOST_POINTS:
            self.kill_and_come_back(*self.removal())
        choice = self.chance.choices([self.full, self.incremental, self.restore, self.collection, None],
                                     [2, 3, 4, 4, 2])[0]
        if choice is None:
            self.kill_three_at_once()
        else:
            self.kill_and_come_back(*choice())

    def until(self, kills):
        turns = 0
        while self.kills.total() < kills:
            turns += 1
            self.turn()
            if turns % 25 == 0:
                self.world.check_some_content()
        print(f"{self.kills.total()} kills in {turns} turns: {dict(self.kills)}", flush=True)
        self.world.check_everything()
        self.world.check_nothing_stays()
