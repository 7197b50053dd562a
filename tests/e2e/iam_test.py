"""The policy that 'account policy' prints is what Rekindle needs in AWS: with a role that may do just that every road is
gone, and on these roads every action that it allows is used."""

import json
import os
import unittest

from scene import CommandFailed, Scene, http_get

# Asked for only by roads that are not gone here, with the test that goes them.
ELSEWHERE = {
    "ec2:DescribeInstanceStatus": "health_check: status (contract/aws_instances_test)",
    "ec2:CreateSnapshots": "failback (contract/aws_instances_test)",
    "ec2:StartInstances": "failback (contract/aws_instances_test)",
    "ebs:ListChangedBlocks": "failback (contract/aws_instances_test)",
}


class LeastPrivilege(unittest.TestCase):
    def test_the_policy_is_enough_and_not_more(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        with Scene("bios") as scene:
            self.scene = scene
            scene.set_up()
            allowed = self.allowed()
            self.become_a_role(allowed)
            scene.region_request("DELETE", "/rekindle-sandbox/calls")
            self.go_all_roads()
            self.compare(allowed)
            self.a_role_that_lacks_one_says_which(allowed)

    def allowed(self):
        policy = json.loads(self.scene.run("account", "policy", "aws")[1])
        actions = {action for statement in policy["Statement"] for action in statement["Action"]}
        self.assertFalse([action for action in actions if "*" in action])
        return actions

    def become_a_role(self, actions):
        self.scene.region_request("POST", "/rekindle-sandbox/roles", {"name": "least", "actions": sorted(actions)})
        proxy = json.loads(self.scene.region_request("POST", "/rekindle-sandbox/proxies", {"name": "proxy"}))
        self.scene.add_account("--assume-role", "arn:aws:iam::123456789012:role/least", "--proxy-instance-id",
                               proxy["instance_id"], "--proxy-device-path",
                               os.path.join(proxy["attached"], "{device}"))

    def go_all_roads(self):
        scene = self.scene
        address = scene.ec2().call("AllocateAddress").findtext("allocationId")
        scene.back_up()
        scene.replicate()
        scene.create_plan(write="volume", workflow="ami")
        http_get(scene.source_url("/scatter?mib=1&seed=1"), timeout=60)
        scene.back_up()
        scene.replicate()
        scene.region_request("POST", "/rekindle-sandbox/instance-profiles", {"name": "web-role", "role": "web"})
        scene.apply_plan(lambda plan: plan["test"].update(instance_profile="web-role"))
        self.assertNotIn("not checked", scene.run("plan", "check", "dr", "--test")[2])
        scene.apply_plan(lambda plan: plan["test"].pop("instance_profile"))
        scene.apply_plan(lambda plan: plan["test"].update(
            public_ip=address, source_dest_check=False, health_check="http://{public_ip}/ready"))
        scene.fail_over("--test")
        scene.run("failover", "clean-up", "dr")
        scene.apply_plan(lambda plan: plan["test"].update(leave_stopped=True))
        scene.fail_over("--test")
        scene.run("failover", "clean-up", "dr")
        self.a_service_that_does_not_answer()
        scene.run("account", "audit", "aws")
        scene.run("replicate", "clean-up", "dr")

    def a_service_that_does_not_answer(self):
        def change(plan):
            plan["test"].update(leave_stopped=False, health_check="http://{public_ip}/missing")
            plan["health_check_seconds"] = 1
        self.scene.apply_plan(change)
        with self.assertRaises(CommandFailed) as failed:
            self.scene.fail_over("--test")
        self.assertIn("did not answer", failed.exception.err)

    def compare(self, allowed):
        names = {action.split(":")[1]: action for action in allowed}
        calls = set(self.scene.calls()) - {"AssumeRole", "GetCallerIdentity", "AllocateAddress"}
        self.assertEqual(calls - set(names), set(), "calls that the policy does not allow")
        # A tag that is given on creation is no call of its own, but AWS asks for the permission.
        unused = allowed - {names[call] for call in calls} - set(ELSEWHERE) - {"ec2:CreateTags"}
        self.assertEqual(unused, set(), "allowed, and never asked for")

    def a_role_that_lacks_one_says_which(self, allowed):
        self.become_a_role(allowed - {"ebs:PutSnapshotBlock"})
        self.scene.create_plan()
        with self.assertRaises(CommandFailed) as failed:
            self.scene.replicate()
        self.assertIn("PutSnapshotBlock", failed.exception.err)
        self.assertEqual(self.scene.inventory()["snapshots"], [])


if __name__ == "__main__":
    unittest.main()
