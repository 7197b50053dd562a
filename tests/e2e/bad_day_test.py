"""What breaks in the middle of the work: a session, a machine, a disk, a block, a quota."""

import glob
import os
import pty
import select
import subprocess
import time
import unittest

from bad_input import BadInput
from scene import BINARY, http_get


class BadBackup(BadInput):
    def tearDown(self):
        self.assert_nothing_half_made()

    def test_a_session_that_expires_in_mid_backup(self):
        # The session ends again and again, in the middle of the reading too: the client logs in again.
        for calls in (3, 8, 15):
            self.datacenter_admin("faults", {"session_expires_after_calls": calls})
            job = self.scene.json("backup", "run", "web", "--full")
            self.assertEqual(job["state"], "succeeded")
        self.scene.run("vault", "check", "main", "--data")

    def test_a_machine_that_is_deleted_in_mid_backup(self):
        self.datacenter_admin("machines", {"name": "short-lived", "empty_disks_bytes": [256 * 2**20], "start": True})
        self.scene.run("policy", "create", "short", "--datacenter", "home", "--vault", "main", "--machine", "short-lived")
        self.datacenter_admin("machines/short-lived/monitor",
                              {"command_line": 'qemu-io -d disk0 "write -P 0x5a 0 200M"'})
        process = self.start_slow_backup("short-lived")
        self.datacenter_admin("machines/short-lived/delete", {})
        _, err = process.communicate()
        self.assertEqual(process.returncode, 1, err)
        self.assert_one_sentence(err, ["there is no machine", "it was deleted"])
        self.refused("backup", "run", "short-lived", says=["short-lived", "web"])
        self.scene.run("policy", "remove", "short")

    def start_slow_backup(self, machine):
        """A backup that has frozen its machine and goes on reading it."""
        process = subprocess.Popen([BINARY, "backup", "run", machine], env={**os.environ, **self.scene.env()},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        while process.poll() is None and not self.is_reading(machine):
            time.sleep(0.02)
        self.assertIsNone(process.returncode, "the backup was over before it could be disturbed")
        return process

    def is_reading(self, machine):
        return any(job["subject"] == machine and job["step"] == "read" for job in self.scene.json("job", "list"))

    def test_a_vault_directory_that_is_full(self):
        small = os.path.join(self.scene.directory, "small")
        os.mkdir(small)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", small], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("cannot mount a small tmpfs here; run as root with CAP_SYS_ADMIN to test a full vault")
        self.addCleanup(self.use_main_vault)
        self.addCleanup(subprocess.run, ["umount", small])
        self.scene.run("vault", "create", "small", "--directory", os.path.join(small, "vault"))
        self.use_vault("small")
        self.refused("backup", "run", "web", says=["is full", small, "free space", "run it again"])
        self.assert_nothing_half_made()
        subprocess.run(["mount", "-o", "remount,size=400m", small], check=True)
        job = self.scene.json("backup", "run", "web")
        self.assertTrue(job["data"]["point"]["full"])
        self.scene.run("vault", "check", "small", "--data")

    def use_vault(self, name):
        self.scene.run("policy", "create", "all", "--datacenter", "home", "--vault", name, "--machine", "web")

    def use_main_vault(self):
        self.use_vault("main")

    def test_a_datacenter_that_refuses_calls_for_a_while(self):
        self.datacenter_admin("faults", {"fail_calls": {"CreateSnapshot_Task": 1, "GET /folder": 2}})
        self.assertEqual(self.scene.json("backup", "run", "web", "--full")["state"], "succeeded")

    def test_a_pipe_stays_quiet_and_a_terminal_shows_the_rate(self):
        _, out, err = self.scene.run("backup", "run", "web", "--full")
        self.assertEqual(err, "")
        self.assertEqual(len(out.splitlines()), 1)
        shown = self.run_on_a_terminal("backup", "run", "web", "--full")
        self.assertRegex(shown, r"backup web: reading into the vault  [\d.]+ MiB of [\d.]+ MiB, [\d.]+ .iB/s, .* left")
        self.assertRegex(shown, r"web: full backup in .* added to the vault")

    def run_on_a_terminal(self, *args):
        controller, terminal = pty.openpty()
        process = subprocess.Popen([BINARY, *args], env={**os.environ, **self.scene.env()}, stdin=terminal,
                                   stdout=terminal, stderr=terminal)
        self.addCleanup(process.kill)
        os.close(terminal)
        shown = b""
        while True:
            select.select([controller], [], [])
            try:
                shown += os.read(controller, 65536)
            except OSError:  # the other end is closed
                break
        os.close(controller)
        self.assertEqual(process.wait(), 0, shown)
        return shown.decode()


class BadVault(BadInput):
    """A bit of the vault flips between backup and replication."""

    @classmethod
    def prepare(cls):
        cls.scene.back_up()

    def test_damage_is_found_and_never_becomes_a_dr_copy(self):
        damaged = self.flip_a_bit()
        name = os.path.relpath(damaged, self.scene.vault)
        self.refused("replicate", "run", "dr", says=[name, "is damaged", "copy of the vault"])
        self.assertEqual(self.scene.json("replicate", "list"), [])
        self.assert_nothing_half_made()
        status, out, err = self.scene.run("vault", "check", "main", "--data", check=False)
        self.assertEqual(status, 1)
        self.assertIn(name, out)
        self.assertIn("is damaged", err)
        self.flip_a_bit()
        self.scene.run("vault", "check", "main", "--data")
        self.assertEqual(self.scene.replicate()["state"], "succeeded")

    def flip_a_bit(self):
        """Of the biggest pack; the second time it is whole again."""
        pack = max(glob.glob(os.path.join(self.scene.vault, "data/*/*")), key=os.path.getsize)
        with open(pack, "r+b") as file:
            file.seek(100_000)
            byte = file.read(1)[0]
            file.seek(100_000)
            file.write(bytes([byte ^ 1]))
        return pack

    def test_another_passphrase_than_the_vault_s(self):
        self.refused("vault", "create", "main", "--directory", self.scene.vault,
                     env={"REKINDLE_PASSPHRASE": "not this one"}, says=["passphrase does not open the vault"])
        self.scene.run("vault", "check", "main")


class BadFailover(BadInput):
    @classmethod
    def prepare(cls):
        cls.scene.back_up()
        cls.scene.replicate()

    def setUp(self):
        self.scene.create_plan(health_check="")

    def tearDown(self):
        self.assert_nothing_half_made()

    def refused_test(self, *says):
        before = self.resources()
        self.refused("failover", "start", "dr", "--test", says=["in the DR plan", *says])
        self.assertEqual(self.resources(), before)

    def test_an_unknown_instance_type(self):
        self.scene.create_plan(instance_type="x9.huge")
        self.refused_test("instance type 'x9.huge' does not exist", "describe-instance-type-offerings")

    def test_an_unknown_subnet(self):
        self.scene.create_plan(subnet="subnet-0123456789abcdef0")
        self.refused_test("subnet 'subnet-0123456789abcdef0' does not exist", "describe-subnets")

    def test_an_unknown_security_group(self):
        self.scene.create_plan(security_group="sg-0123456789abcdef0")
        self.refused("failover", "start", "dr", "--test",
                     says=["sg-0123456789abcdef0", "does not exist", "describe-security-groups"])

    def test_private_addresses_that_cannot_be(self):
        for address, says in {"10.99.0.1": "not in the range 10.20.1.0/24", "10.20.1.2": "AWS keeps for itself",
                              "nonsense": "not an IPv4 address"}.items():
            self.scene.create_plan(private_ip=address)
            self.refused_test(address, says)

    def test_a_subnet_without_a_free_address(self):
        self.region_fault(action="RunInstances", code="InsufficientFreeAddressesInSubnet")
        self.refused_test("has no free address", "larger subnet")

    def test_no_capacity(self):
        self.region_fault(action="RunInstances", code="InsufficientInstanceCapacity")
        self.refused_test("no capacity for instance type t3.small", "another zone")

    def test_an_instance_that_ends_while_it_starts(self):
        self.region_fault(action="RunInstances", kind="instance_dies", code="Server.InsufficientInstanceCapacity")
        self.refused_test("did not start", "choose another instance type or subnet")

    def test_an_instance_that_finds_no_room_is_replaced_by_another_type(self):
        self.scene.create_plan()
        self.scene.apply_plan(lambda plan: plan["test"].update(other_instance_types=["t3.medium"]))
        self.region_fault(action="RunInstances", kind="instance_dies", code="Server.InsufficientInstanceCapacity")
        self.assertEqual(self.scene.fail_over("--test")["state"], "succeeded")
        self.scene.run("failover", "clean-up", "dr")
        self.assert_nothing_half_made()

    def test_a_service_that_never_answers(self):
        region = self.scene.sandbox["region"]
        self.scene.run("plan", "create", "dr", "--account", "aws", "--machine", "web", "--subnet", region["subnet_id"],
                       "--security-group", region["security_group_id"], "--instance-type", "t3.small",
                       "--health-check", "http://{public_ip}/nothing", "--health-check-seconds", "3")
        self.refused("failover", "start", "dr", "--test", says=["did not answer", "health check of the plan"])

    def test_a_machine_that_still_runs(self):
        self.refused("failover", "start", "dr",
                     says=["web still runs in its datacenter", "power it off", "--test"])
        http_get(self.scene.source_url("/ready"))

    def test_a_second_failover(self):
        self.scene.fail_over("--test")
        self.addCleanup(self.assert_nothing_half_made)
        self.addCleanup(self.scene.run, "failover", "clean-up", "dr")
        self.refused("failover", "start", "dr", "--test", says=["web runs already as i-", "failover clean-up dr"])
        http_get(self.scene.source_url("/ready"))


class BadDisaster(BadInput):
    """The datacenter is gone."""

    @classmethod
    def prepare(cls):
        cls.scene.back_up()
        cls.scene.replicate()

    def test_what_is_refused_after_the_disaster(self):
        self.scene.create_plan(health_check="")
        self.scene.fail_over("--test")
        self.scene.strike()
        self.refused("failover", "start", "dr", says=["10.20.1.42 is taken", "failover list"])
        self.scene.run("failover", "clean-up", "dr")
        self.refused("backup", "run", "web", says=["cannot be reached", "check the address"])
        self.assert_nothing_half_made()
        self.scene.fail_over()
        self.refused("failover", "start", "dr", says=["web runs already as i-", "failover clean-up dr"])
        self.scene.run("failover", "clean-up", "dr")
        self.assert_nothing_half_made()


if __name__ == "__main__":
    unittest.main()
