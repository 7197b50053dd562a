"""The road with the vault on a real S3 server, through the command line."""

import os
import socket
import subprocess
import tempfile
import time
import unittest

from scene import Scene, http_get

CACHE = os.environ.get("REKINDLE_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "rekindle")
SERVER = os.path.join(CACHE, "peers/bin/versitygw")
KEY = {"id": "AKIDVAULT", "secret": "vault-secret"}


class S3Server:
    """versitygw with one bucket, 'backups'."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="rk-s3-")
        for folder in ("buckets/backups", "versions"):
            os.makedirs(os.path.join(self.directory.name, folder))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [SERVER, "--access", KEY["id"], "--secret", KEY["secret"], "--region", "eu-central-1",
             "--port", f"127.0.0.1:{self.port}", "--keep-alive", "--quiet", "posix",
             "--versioning-dir", os.path.join(self.directory.name, "versions"),
             os.path.join(self.directory.name, "buckets")], stdout=subprocess.DEVNULL)
        self.wait()
        return self

    def wait(self):
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("versitygw does not listen")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def objects(self, folder):
        path = os.path.join(self.directory.name, "buckets/backups/main", folder)
        return [name for _, _, names in os.walk(path) for name in names]


@unittest.skipUnless(os.access(SERVER, os.X_OK), "there is no S3 server: call tools/peers/versitygw to get it")
class RoadThroughS3(unittest.TestCase):
    def test_a_machine_lives_again_from_a_vault_on_s3(self):
        with S3Server() as s3, Scene() as scene:
            self.set_up(scene, s3)
            scene.back_up()
            http_get(scene.source_url("/scatter?mib=5&seed=3"), timeout=120)
            incremental = scene.back_up()["data"]["point"]
            self.assertFalse(incremental["full"])
            self.assertEqual(len(s3.objects("points")), 2)
            self.assertGreater(len(s3.objects("data")), 1)
            scene.run("vault", "check", "main", "--data")
            scene.replicate()
            digest = http_get(scene.source_url("/digest"), timeout=60)
            scene.strike()
            self.assertEqual(scene.fail_over()["state"], "succeeded")
            self.assertEqual(http_get(scene.instance_url("/digest"), timeout=60), digest)

    def set_up(self, scene, s3):
        scene.add_datacenter()
        scene.add_account()
        scene.run("vault", "create", "main", "--s3", "s3://backups/main", "--region", "eu-central-1",
                  "--endpoint", s3.url, "--access-key-id", KEY["id"], "--limit-upload", "500MiB/s",
                  env={"REKINDLE_SECRET_ACCESS_KEY": KEY["secret"]})
        self.assertNotIn("secret", scene.run("vault", "show", "main", "--json")[1])
        scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", scene.machine)
        scene.create_plan()
