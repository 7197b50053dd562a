"""The scripts of a plan's steps inside the machine that it started: run by the account's agent in the guest, once."""

import json
import os
import signal
import subprocess
import time
import unittest

from scene import BINARY, Scene


class ScriptsInsideMachines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = cls.enterClassContext(Scene("bios"))
        cls.scene.set_up()
        cls.scene.region_request("POST", "/rekindle-sandbox/instance-profiles", {"name": "managed", "role": "agents"})
        cls.scene.back_up()
        cls.scene.replicate()

    def setUp(self):
        self.addCleanup(self.scene.run, "failover", "clean-up", "dr")
        self.addCleanup(self.scene.region_request, "DELETE", "/rekindle-sandbox/faults")
        self.scene.region_request("DELETE", "/rekindle-sandbox/calls")

    def plan(self, *steps, instance_profile="managed"):
        """All its steps' scripts run in the machine, which the first step starts."""

        def change(plan):
            plan["production"]["instance_profile"] = instance_profile
            plan["steps"] = [{"name": name, "machines": [] if i else [self.scene.machine], "script": script,
                              "script_on": [self.scene.machine], "script_seconds": seconds, "on_failure": "go-on"}
                             for i, (name, script, seconds) in enumerate(steps)]

        self.scene.apply_plan(change)

    def begin(self):
        return subprocess.Popen([BINARY, "failover", "start", "dr", "--test"], text=True,
                                env={**os.environ, **self.scene.env()}, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def steps(self):
        runs = [job for job in self.scene.json("job", "list") if job["kind"] == "plan_failover"]
        return runs[-1]["data"]["steps"] if runs else {}

    def sent(self):
        return self.scene.calls().get("SendCommand", {"calls": 0})["calls"]

    def test_what_they_say_and_how_they_end_is_told(self):
        self.scene.region_fault(action="SendCommand", kind="lose_response", times=1)
        self.plan(("inside", 'echo ran >>/root/ran\necho "$REKINDLE_MACHINE on $(cat /etc/hostname): $(wc -l </root/ran)"\n'
                   'echo "$REKINDLE_MACHINES" >&2', 60),
                  ("broken", "echo it is broken; exit 3", 60),
                  ("endless", "echo begun; sleep 3600", 3))
        with self.begin() as failover:
            _, err = failover.communicate()
        self.assertEqual(failover.returncode, 1)
        steps = self.steps()
        said = steps["inside"]["script_outputs"][self.scene.machine]
        self.assertTrue(said.startswith(f"{self.scene.machine} on "), said)
        self.assertIn(": 1\n", said, "its answer was lost, and it ran once")
        machines = json.loads(said.splitlines()[-1])
        self.assertEqual(machines[self.scene.machine]["instance_id"], self.scene.failover()["instance_id"])
        self.assertIn("the script ended with status 3: it is broken", steps["broken"]["error"])
        self.assertIn("ExecutionTimedOut", steps["endless"]["error"])
        self.assertIn("begun", steps["endless"]["error"])
        self.assertEqual({name: step["state"] for name, step in steps.items()},
                         {"inside": "done", "broken": "failed", "endless": "failed"})
        self.assertIn("step 'broken'", err)
        self.assertEqual(self.sent(), 3)

    def test_killed_while_one_runs_it_waits_for_it_and_starts_no_second(self):
        self.plan(("inside", "echo ran >>/root/ran; sleep 6; wc -l </root/ran", 60))
        first = self.begin()
        while self.sent() == 0:
            self.assertIsNone(first.poll(), "it ended before its script began")
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        with self.begin() as again:
            _, err = again.communicate()
        self.assertEqual(again.returncode, 0, err)
        self.assertEqual(self.steps()["inside"]["script_outputs"], {self.scene.machine: "1\n"})
        self.assertEqual(self.sent(), 1)

    def test_after_one_that_failed_the_button_goes_through_the_steps_again(self):
        self.plan(("inside", "test -e /root/tried && echo better now || { touch /root/tried; exit 4; }", 60))
        status, out, err = self.scene.run("failover", "start", "dr", "--test", check=False)
        self.assertEqual(status, 1)
        self.assertIn("the script ended with status 4", err)
        self.assertIn("The same command goes on with the rest", out)
        instance = self.scene.failover()["instance_id"]
        out = self.scene.run("failover", "start", "dr", "--test")[1]
        self.assertIn(f"runs since before as {instance}", out)
        self.assertEqual(self.steps()["inside"]["script_outputs"], {self.scene.machine: "better now\n"})
        self.assertEqual(self.scene.failover()["instance_id"], instance)
        sent = self.sent()
        for _ in range(2):
            status, _, err = self.scene.run("failover", "start", "dr", "--test", check=False)
            self.assertEqual(status, 1, "now there is nothing left to do")
            self.assertIn("runs already", err)
        self.assertEqual(self.sent(), sent)

    def test_without_a_profile_it_says_what_the_agent_lacks(self):
        self.plan(("inside", "true", 5), instance_profile="")
        report = self.scene.json("plan", "check", "dr", "--test")
        self.assertTrue(any("it has no instance_profile" in one["sentence"] for one in report["findings"]), report)
        with self.begin() as failover:
            _, err = failover.communicate()
        self.assertEqual(failover.returncode, 1)
        self.assertIn("SSM agent", err)
        self.assertIn("AmazonSSMManagedInstanceCore", err)
        self.assertEqual(self.scene.failover()["state"], "running", "the machine is there all the same")


if __name__ == "__main__":
    unittest.main()
