"""How a process writes to a volume that is attached to its proxy, seen from outside: by what descriptor, and how many
writes at a time."""

import os
import re
import time


class VolumeWrites:
    """Looks at a process that is not over yet, as often as it can."""

    def __init__(self, process, attached):
        self.pid = process.pid
        self.attached = attached  # the folder in which volumes appear
        self.direct = False  # it has one open past the page cache
        self.most_at_once = 0  # of its threads that are writing to that

    def watch(self, process):
        while process.poll() is None:
            try:
                self.look()
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has closed it, or is over
            time.sleep(0.002)

    def look(self):
        descriptors = [fd for fd in os.listdir(f"/proc/{self.pid}/fd") if self.is_direct(fd)]
        if not descriptors:
            return
        self.direct = True
        tasks = os.listdir(f"/proc/{self.pid}/task")
        self.most_at_once = max(self.most_at_once, sum(self.writes_to(task, descriptors) for task in tasks))

    def is_direct(self, fd):
        if not os.readlink(f"/proc/{self.pid}/fd/{fd}").startswith(self.attached):
            return False
        with open(f"/proc/{self.pid}/fdinfo/{fd}", encoding="ascii") as info:
            flags = int(re.search(r"^flags:\s*([0-7]+)$", info.read(), re.MULTILINE)[1], 8)
        return flags & os.O_DIRECT != 0

    def writes_to(self, task, descriptors):
        """A call on that descriptor, which is only written to: its first argument, whatever its number."""
        with open(f"/proc/{self.pid}/task/{task}/syscall", encoding="ascii") as file:
            words = file.read().split()
        return len(words) > 1 and str(int(words[1], 16)) in descriptors
