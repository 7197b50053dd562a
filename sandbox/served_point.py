"""A recovery point opened with 'rekindle point serve', and machines on VMware's hardware that boot from any disk QEMU
can open: what the end-to-end test and the benchmark of booting from the vault share."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

from scene import BINARY, ROOT


@contextlib.contextmanager
def served_point(scene, point, *options):
    """Yields the URIs of the point's disks."""
    process = subprocess.Popen([BINARY, "point", "serve", point, "--json", *options], stdout=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL, env={**os.environ, **scene.env()})
    try:
        yield [one["uri"] for one in read_json(process.stdout)["exports"]]
        process.send_signal(signal.SIGINT)
        if process.wait(timeout=60) != 0:
            raise RuntimeError(f"point serve ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()


def read_json(stream):
    text = ""
    for line in stream:
        text += line
        with contextlib.suppress(ValueError):
            return json.loads(text)
    raise RuntimeError("point serve ended before it served")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accelerator():
    probe = os.path.join(ROOT, "sandbox/guests/probe-accel")
    return subprocess.run([probe], check=True, capture_output=True, text=True).stdout.split()


@contextlib.contextmanager
def machine_on(drive):
    """A BIOS machine with this disk ("file=...,format=raw"). Yields the address of the service of its guest."""
    port = free_port()
    command = ["qemu-system-x86_64", "-m", "512", "-nodefaults", "-display", "none", *accelerator(), "-cpu", "Nehalem",
               "-device", "pvscsi,id=disks,addr=0x10", "-drive", f"if=none,id=disk0,{drive}",
               "-device", "scsi-hd,drive=disk0,bus=disks.0",
               "-netdev", f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:80",
               "-device", "vmxnet3,netdev=net0,addr=0x13,romfile="]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr) as machine:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            machine.kill()
            machine.wait()
