"""A sandbox with a running machine, and the product set up to protect it: what the demo, the end-to-end tests and
the benchmarks play on. Everything goes through the command line and HTTP, as a user would."""

import json
import os
import pathlib
import shlex
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from ec2_query import Ec2

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("REKINDLE_BINARY") or os.environ.get("REKINDLE") or os.path.join(ROOT, "build/release/rekindle")


# What plays the part of "nbdkit vddk" before the local datacenter.
DISK_COMMAND = (shlex.quote(BINARY) + " sandbox serve-disk --socket {socket} --host {host} --port {port} --user {user}"
                " --password-file {password_file} --thumbprint {thumbprint} --vm {vm} --file {file}")

# Never through a proxy: everything here is on this computer.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# The datacenter's certificate is its own.
TRUSTING = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(
    context=ssl._create_unverified_context()))


class CommandFailed(Exception):
    def __init__(self, args, status, err):
        super().__init__(f"rekindle {' '.join(args)}: exit status {status}: {err.strip()}")
        self.status = status
        self.err = err.strip()


def rekindle(*args, env=None, check=True):
    """Runs the program; returns (exit status, stdout, stderr)."""
    done = subprocess.run([BINARY, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})})
    if check and done.returncode != 0:
        raise CommandFailed(args, done.returncode, done.stderr)
    return done.returncode, done.stdout, done.stderr


def http_get(url, timeout=2.0):
    with DIRECT.open(url, timeout=timeout) as answer:
        return answer.read().decode()


def wait_for_http(url, seconds=120):
    """Returns the seconds it took until the address answered."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        try:
            http_get(url, timeout=0.5)
            return time.monotonic() - begin
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {seconds} s")


def build_guest(variant):
    """The folder of a guest image; built at the first call, from a cache later."""
    done = subprocess.run([os.path.join(ROOT, "sandbox/guests/build"), variant], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"building the guest {variant}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip().splitlines()[-1]


class Scene:
    """One datacenter with one machine 'web', one account, one vault, one policy, one plan."""

    machine = "web"
    private_ip = "10.20.1.42"

    def __init__(self, variant="bios", keep=False):
        self.keep = keep
        self.variant = variant
        self.directory = tempfile.mkdtemp(prefix="rk-", dir="/tmp")
        self.home = os.path.join(self.directory, "home")
        self.vault = os.path.join(self.directory, "vault")
        self.sandbox = {}
        self.web = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        guest = build_guest(self.variant)
        rekindle("sandbox", "prepare-guest", guest)
        self.start_servers()
        out = rekindle("sandbox", "add-machine", self.machine, "--guest", guest, "--directory", self.directory)[1]
        self.web = json.loads(out)
        wait_for_http(self.source_url("/ready"))

    def start_servers(self, *options):
        self.sandbox = json.loads(rekindle("sandbox", "start", "--directory", self.directory, *options)[1])

    def close(self):
        if self.keep:
            return
        try:
            rekindle("sandbox", "stop", "--directory", self.directory, check=False)
            self.tell_what_qemu_said()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def tell_what_qemu_said(self):
        """A QEMU that does what it should says nothing; one that dies says why. (It tells of each packet to somebody who
        has gone, too, and of the hub that joins networks only: guest_network.h.)"""
        for log in pathlib.Path(self.directory).rglob("qemu.log"):
            lines = log.read_text(errors="replace").splitlines()
            usual = ("Slirp: Failed to send packet", "hub 1 with no nics")
            said = "\n".join(line for line in lines if not any(words in line for words in usual)).strip()
            if said:
                print(f"{log} says: {said[-2000:]}", flush=True)

    def source_url(self, path):
        return f"http://127.0.0.1:{self.web['host_port']}{path}"

    # The product.

    def env(self):
        return {
            "REKINDLE_HOME": self.home,
            "REKINDLE_PASSWORD": self.sandbox["datacenter"]["password"],
            "REKINDLE_SECRET_ACCESS_KEY": self.sandbox["region"]["secret_access_key"],
            "REKINDLE_PASSPHRASE": "correct horse battery staple",
        }

    def run(self, *args, env=None, check=True):
        return rekindle(*args, env={**self.env(), **(env or {})}, check=check)

    def json(self, *args):
        return json.loads(self.run(*args, "--json")[1])

    def add_datacenter(self):
        self.run("datacenter", "add", "home", "--url", self.sandbox["datacenter"]["url"],
                 "--user", self.sandbox["datacenter"]["user"], "--disk-command", DISK_COMMAND)

    def add_account(self, *options):
        region = self.sandbox["region"]
        self.run("account", "add", "aws", "--region", region["name"], "--endpoint", region["endpoint"],
                 "--access-key-id", region["access_key_id"], *options)

    def add_account_of_a_proxy(self):
        """The same; this process stands on an EC2 instance, to which volumes can be attached: returns the folder in which
        they appear."""
        proxy = json.loads(self.region_request("POST", "/rekindle-sandbox/proxies", {"name": "proxy"}))
        self.add_account("--proxy-instance-id", proxy["instance_id"], "--proxy-device-path",
                         os.path.join(proxy["attached"], "{device}"))
        return proxy["attached"]

    def add_machine(self, name):
        """One more of the same guest; returns what the sandbox says of it."""
        out = rekindle("sandbox", "add-machine", name, "--guest", build_guest(self.variant), "--directory",
                       self.directory)[1]
        return json.loads(out)

    def create_plan(self, name="dr", **changes):
        region = self.sandbox["region"]
        options = {"account": "aws", "machine": self.machine, "subnet": region["subnet_id"],
                   "security-group": region["security_group_id"], "instance-type": "t3.small",
                   "private-ip": self.private_ip, "health-check": "http://{public_ip}/ready",
                   "tag": "service=ledger", **{key.replace("_", "-"): value for key, value in changes.items()}}
        words = [word for key, value in options.items() if value for word in (f"--{key}", value)]
        self.run("plan", "create", name, *words)

    def apply_plan(self, change, name="dr"):
        """Changes the plan as a user would: exported, edited, applied."""
        plan = self.json("plan", "export", name)  # with every section, empty or not
        change(plan)
        file = os.path.join(self.directory, f"{name}.yaml")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(plan, out)  # JSON is YAML
        return self.run("plan", "apply", file)[1]

    def set_up(self):
        self.add_datacenter()
        self.add_account()
        self.run("vault", "create", "main", "--directory", self.vault)
        self.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", self.machine)
        self.create_plan()

    def back_up(self):
        return self.json("backup", "run", self.machine)

    def replicate(self):
        return self.json("replicate", "run", "dr")

    def strike(self):
        rekindle("sandbox", "disaster", "--directory", self.directory)

    def fail_over(self, *options):
        """What became of the machine: its job's state, timings, instance."""
        job = self.json("failover", "start", "dr", *options)
        return job["data"]["machines"][self.machine]

    def failover(self):
        """The newest failover."""
        return self.json("failover", "list")[-1]

    def instance_url(self, path):
        return f"http://{self.failover()['public_ip']}{path}"

    # Looking behind the scene, past the product.

    def inventory(self):
        """What exists in the region."""
        return json.loads(http_get(self.sandbox["region"]["endpoint"] + "/rekindle-sandbox/inventory", timeout=10))

    def calls(self):
        return json.loads(http_get(self.sandbox["region"]["endpoint"] + "/rekindle-sandbox/calls", timeout=10))

    def ec2(self):
        return Ec2(self.sandbox["region"])

    def region_request(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.sandbox["region"]["endpoint"] + path, data=data, method=method)
        with DIRECT.open(request, timeout=10) as answer:
            return answer.read().decode()

    def datacenter_request(self, what, body):
        """See sandbox/datacenter/admin_server.h."""
        url = self.sandbox["datacenter"]["url"].replace("/sdk", "/rekindle-sandbox/") + what
        request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
        with TRUSTING.open(request, timeout=60) as answer:
            return json.loads(answer.read())

    def region_fault(self, **rule):
        """See sandbox/region/faults.h."""
        self.region_request("POST", "/rekindle-sandbox/faults", rule)

    def puts(self):
        """How many blocks the region was sent."""
        return self.calls().get("PutSnapshotBlock", {}).get("calls", 0)

    def machines_at_home(self):
        """What the sandbox says of the machines of the datacenter."""
        return json.loads(rekindle("sandbox", "status", "--directory", self.directory)[1]).get("machines", [])

    def machine_status(self):
        """Of the machine; None where it is not there."""
        return next((one for one in self.machines_at_home() if one["name"] == self.machine), None)

    def machine_snapshots(self):
        """The names of the machines' snapshots in the datacenter."""
        return [name for machine in self.machines_at_home() for name in machine["snapshots"]]

    def vault_bytes(self):
        total = 0
        for folder, _, files in os.walk(self.vault):
            total += sum(os.path.getsize(os.path.join(folder, name)) for name in files)
        return total


class ServersOnly(Scene):
    """The same without a machine."""

    def start(self):
        self.start_servers()


def ledger_lines(text):
    """The numbered lines of the guest's ledger: [(number, unix seconds, boot id)]."""
    lines = []
    for line in text.splitlines():
        number, seconds, boot = line.split()
        lines.append((int(number), int(seconds), boot))
    return lines
