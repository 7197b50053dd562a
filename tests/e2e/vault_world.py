"""A vault in a directory, a disk image with real files that changes, and what must be true of the vault whatever
happened to the processes that used it."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile

BUILD = os.path.dirname(os.environ.get("REKINDLE_BINARY") or
                        os.path.join(os.path.dirname(__file__), "../../build/release/rekindle"))
PROGRAM = os.path.join(BUILD, "bench/vault_images")
MIB = 1 << 20
DAY = 24 * 3600
GRACE_DAYS = 14


class VaultFailed(Exception):
    """What the program said on standard error."""


class Operation:
    """One call of the program, in a process of its own."""

    def __init__(self, kind, *arguments):
        self.kind = kind
        self.arguments = arguments

    def start(self):
        return subprocess.Popen([PROGRAM, self.kind, *self.arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL, text=True)


def perform(kind, *arguments):
    """The JSON that the call prints."""
    return outcome(Operation(kind, *arguments).start())


def outcome(process):
    out, err = process.communicate()
    if process.returncode != 0:
        raise VaultFailed(err.strip() or f"{process.args}: exit status {process.returncode}")
    return json.loads(out)


def kill_after(process, seconds):
    """True if it was killed; False if it had ended well before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    out, err = process.communicate()
    if process.returncode == -signal.SIGKILL:
        return True
    if process.returncode != 0:
        raise VaultFailed(f"{process.args}: {err.strip()}")
    json.loads(out)
    return False


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def gather_files(folder, size_bytes):
    """Copies programs and texts of this machine, as a guest has them."""
    taken = 0
    for source in ("/usr/bin", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/share"):
        for path, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                file = os.path.join(path, name)
                size = os.lstat(file).st_size
                if taken + size > size_bytes or not os.path.isfile(file) or os.path.islink(file):
                    continue
                shutil.copyfile(file, os.path.join(folder, f"{taken}-{name}"[:200]))
                taken += size


def make_image(path, size_bytes):
    with tempfile.TemporaryDirectory() as files:
        gather_files(files, size_bytes * 3 // 4)
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", files, path, f"{size_bytes // MIB}M"],
                       stdout=subprocess.DEVNULL, check=True)


class VaultWorld:
    def __init__(self, test, folder, chance, image_bytes):
        self.test = test
        self.chance = chance
        self.folder = folder
        self.vault = os.path.join(folder, "vault")
        self.image = os.path.join(folder, "image")
        self.areas = os.path.join(folder, "areas")
        self.restored = os.path.join(folder, "restored")
        self.points = {}  # that were reported as committed, and are not removed: digest of the image
        self.begun = {}  # not reported; there whole, or not at all
        self.made = 0
        make_image(self.image, image_bytes)
        perform("create", self.vault, "--weak-password")

    # The machine lives on.

    def change(self):
        """Some of the image changes; self.areas says where."""
        size = os.path.getsize(self.image)
        with open(self.image, "r+b") as image, open(self.areas, "w", encoding="ascii") as areas:
            for _ in range(self.chance.randrange(4, 40)):
                length = self.chance.randrange(4096, 512 * 1024)
                offset = self.chance.randrange(0, size - length)
                image.seek(offset)
                image.write(self.chance.randbytes(length))
                areas.write(f"{offset} {length}\n")

    def new_point(self):
        self.made += 1
        return f"p{self.made}"

    def full_backup(self):
        return self.backup(())

    def incremental_backup(self, parent):
        return self.backup(("--parent", parent, "--areas", self.areas))

    def backup(self, how):
        point = self.new_point()
        self.begun[point] = digest_of(self.image)
        return Operation("backup", self.vault, self.image, point, "--pack-mib", "2", *how), point

    def restore(self, point):
        return Operation("restore", self.vault, point, self.restored)

    def collection(self):
        return Operation("collect", self.vault)

    def removal(self, point):
        self.begun[point] = self.points.pop(point)
        return Operation("remove", self.vault, point)

    def committed(self, point):
        self.points[point] = self.begun.pop(point)

    def pass_days(self, days):
        """The store's time is that of its files."""
        for path, _, names in os.walk(self.vault):
            for name in names:
                file = os.path.join(path, name)
                status = os.stat(file)
                os.utime(file, (status.st_atime, status.st_mtime - days * DAY))

    # What must be true.

    def check(self, *level):
        report = perform("check", self.vault, *level)
        self.test.assertEqual(report["problems"], [])
        listed = set(self.listed())
        self.test.assertLessEqual(set(self.points), listed, "what was reported as committed is listed")
        self.test.assertLessEqual(listed, {*self.points, *self.begun}, "what is listed was begun")

    def listed(self):
        return perform("list", self.vault)["points"]

    def check_content(self, point, digest):
        outcome(self.restore(point).start())
        self.test.assertEqual(digest_of(self.restored), digest, f"{point} is not what was backed up")
        os.unlink(self.restored)

    def check_some_content(self):
        point = self.chance.choice([*self.points])
        self.check_content(point, self.points[point])

    def check_everything(self):
        self.check("--data")
        for point in self.listed():
            self.check_content(point, self.points.get(point) or self.begun[point])

    def check_no_half_file(self, point):
        """Under its final name a restored disk is whole."""
        if os.path.exists(self.restored):
            self.test.assertEqual(digest_of(self.restored), self.points[point], "a half file under its final name")
            os.unlink(self.restored)

    def objects(self):
        found = []
        for path, _, names in os.walk(self.vault):
            found += [os.path.relpath(os.path.join(path, name), self.vault) for name in names]
        return sorted(found)

    def check_nothing_stays(self):
        for point in self.listed():
            perform("remove", self.vault, point)
        for _ in range(5):
            self.pass_days(GRACE_DAYS + 1)
            perform("collect", self.vault)
        self.test.assertEqual([name for name in self.objects() if not name.startswith("keys/")], ["vault"])
