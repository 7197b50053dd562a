"""The policy that 'account policy' prints is what Rekindle needs in AWS: with a role that has it, whose resources and
conditions the region judges as AWS does, every road is gone; on these roads every action that it allows is used; and
what is not Rekindle's cannot be changed with it."""

import copy
import json
import os
import time
import unittest

from ec2_query import Ec2, Ec2Refused
from scene import CommandFailed, Scene, http_get

# Asked for only by roads that are not gone here, with the test that goes them with the same policy.
ELSEWHERE = {
    "ec2:DescribeInstanceStatus": "health_check: status (contract/iam_policy_test)",
    "ec2:CreateSnapshots": "failback (contract/iam_policy_test)",
    "ec2:StartInstances": "failback (contract/iam_policy_test)",
    "ebs:ListChangedBlocks": "failback (contract/iam_policy_test)",
    "ssm:DescribeInstanceInformation": "script_on (contract/iam_policy_test)",
    "ssm:SendCommand": "script_on (contract/iam_policy_test)",
    "ssm:ListCommands": "script_on (contract/iam_policy_test)",
    "ssm:GetCommandInvocation": "script_on (contract/iam_policy_test)",
    "ssm:CancelCommand": "script_on (contract/iam_policy_test)",
}

# Asked for by AWS beside other calls, and no calls of their own.
NO_CALLS = {"ec2:CreateTags", "iam:PassRole"}

OUR_TAG = {"Tag_1_Key": "rekindle:token", "Tag_1_Value": "mine"}


class LeastPrivilege(unittest.TestCase):
    def test_the_policy_is_enough_and_not_more(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse: volumes cannot be attached here")
        with Scene("bios") as scene:
            self.scene = scene
            scene.set_up()
            self.policy = self.printed_policy()
            self.become_a_role(self.policy)
            scene.region_request("DELETE", "/rekindle-sandbox/calls")
            self.go_all_roads()
            self.compare(self.allowed())
            self.what_is_not_ours_stays_as_it_is()
            self.a_role_that_lacks_one_says_which()

    def printed_policy(self):
        return json.loads(self.scene.run("account", "policy", "aws", "--pass-role",
                                         "arn:aws:iam::123456789012:role/web")[1])

    def allowed(self):
        actions = {action for statement in self.policy["Statement"] for action in statement["Action"]}
        self.assertFalse([action for action in actions if "*" in action])
        return actions

    def become_a_role(self, policy):
        self.scene.region_request("POST", "/rekindle-sandbox/roles", {"name": "least", "policy": policy})
        proxy = self.proxy()
        self.scene.add_account("--assume-role", "arn:aws:iam::123456789012:role/least", "--proxy-instance-id",
                               proxy["instance_id"], "--proxy-device-path",
                               os.path.join(proxy["attached"], "{device}"))

    def proxy(self):
        return json.loads(self.scene.region_request("POST", "/rekindle-sandbox/proxies", {"name": "proxy"}))

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
        out = scene.run("plan", "check", "dr", "--test", "--json", check=False)[1]
        self.assertNotIn("may not be called", out)
        self.assertIn("ec2:CreateVolume", out)
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
        unused = allowed - {names[call] for call in calls} - set(ELSEWHERE) - NO_CALLS
        self.assertEqual(unused, set(), "allowed, and never asked for")

    def what_is_not_ours_stays_as_it_is(self):
        owner = self.scene.ec2()
        thief = Ec2(self.scene.sandbox["region"], owner.assume_role("least"))
        foreign = self.make_foreign_things(owner)
        before = self.look_at(foreign)
        volume, snapshot, image, instance = (foreign[kind] for kind in ("volume", "snapshot", "image", "instance"))
        self.refused(thief, "DeleteVolume", VolumeId=volume)
        self.refused(thief, "AttachVolume", VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
        self.refused(thief, "DeleteSnapshot", SnapshotId=snapshot)
        self.refused(thief, "DeleteSnapshot", SnapshotId=foreign["open snapshot"])
        self.refused(thief, "DeregisterImage", ImageId=image)
        for action in ("StopInstances", "StartInstances", "TerminateInstances"):
            self.refused(thief, action, InstanceId_1=instance)
        self.refused(thief, "ModifyInstanceAttribute", InstanceId=instance, SourceDestCheck_Value="false")
        for thing in (volume, image, instance):
            self.refused(thief, "CreateTags", ResourceId_1=thing, **OUR_TAG)
        self.refused(thief, "CreateTags", ResourceId_1=snapshot, Tag_1_Key="Name", Tag_1_Value="mine")
        self.refused(thief, "CreateTags", ResourceId_1=snapshot, **OUR_TAG, Tag_2_Key="Name", Tag_2_Value="mine")
        self.says_no("ebs:PutSnapshotBlock", lambda: thief.put_block(foreign["open snapshot"], 0))
        self.says_no("ebs:StartSnapshot", lambda: thief.start_snapshot(VolumeSize=1))
        self.passes_only_the_role_that_is_named(thief, image)
        self.assertEqual(self.look_at(foreign), before)
        self.remove(owner, foreign)

    def make_foreign_things(self, owner):
        """Of somebody else in the same account."""
        volume = owner.call("CreateVolume", AvailabilityZone=self.scene.sandbox["region"]["name"] + "a",
                            Size="1").findtext("volumeId")
        self.wait(lambda: owner.call("DescribeVolumes", VolumeId_1=volume).findtext(".//status") == "available")
        snapshot = owner.call("CreateSnapshot", VolumeId=volume).findtext("snapshotId")
        self.wait(lambda: owner.call("DescribeSnapshots", SnapshotId_1=snapshot).findtext(".//status") == "completed")
        image = owner.call("RegisterImage", Name="foreign", Architecture="x86_64", VirtualizationType="hvm",
                           EnaSupport="true", RootDeviceName="/dev/sda1", BlockDeviceMapping_1_DeviceName="/dev/sda1",
                           BlockDeviceMapping_1_Ebs_SnapshotId=snapshot).findtext("imageId")
        self.wait(lambda: owner.call("DescribeImages", ImageId_1=image).findtext(".//imageState") == "available")
        return {"volume": volume, "snapshot": snapshot, "image": image, "instance": self.proxy()["instance_id"],
                "open snapshot": owner.start_snapshot(VolumeSize=1)}

    def look_at(self, foreign):
        inventory = self.scene.inventory()
        return [row for kind in ("volumes", "snapshots", "images", "instances") for row in inventory[kind]
                if row["id"] in foreign.values()]

    def passes_only_the_role_that_is_named(self, thief, image):
        self.scene.region_request("POST", "/rekindle-sandbox/instance-profiles",
                                  {"name": "admin-role", "role": "admin"})
        launch = {"ImageId": image, "InstanceType": "t3.small", "MinCount": "1", "MaxCount": "1", "DryRun": "true",
                  "SubnetId": self.scene.sandbox["region"]["subnet_id"]}
        self.says_no("iam:PassRole", lambda: thief.call("RunInstances", IamInstanceProfile_Name="admin-role", **launch))
        with self.assertRaises(Ec2Refused) as answer:
            thief.call("RunInstances", IamInstanceProfile_Name="web-role", **launch)
        self.assertIn("DryRunOperation", str(answer.exception))

    def refused(self, thief, action, **parameters):
        self.says_no("ec2:" + action, lambda: thief.call(action, **parameters))

    def says_no(self, action, call):
        with self.assertRaises(Ec2Refused) as refusal:
            call()
        self.assertIn(f"is not authorized to perform: {action} on resource: arn:aws:", str(refusal.exception))

    def remove(self, owner, foreign):
        owner.call("DeregisterImage", ImageId=foreign["image"])
        owner.call("DeleteSnapshot", SnapshotId=foreign["snapshot"])
        owner.call("DeleteSnapshot", SnapshotId=foreign["open snapshot"])
        owner.call("DeleteVolume", VolumeId=foreign["volume"])

    def wait(self, condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.1)
        self.fail("it never came")

    def a_role_that_lacks_one_says_which(self):
        policy = copy.deepcopy(self.policy)
        for statement in policy["Statement"]:
            statement["Action"] = [action for action in statement["Action"] if action != "ebs:PutSnapshotBlock"]
        self.become_a_role(policy)
        self.scene.create_plan()
        with self.assertRaises(CommandFailed) as failed:
            self.scene.replicate()
        self.assertIn("PutSnapshotBlock", failed.exception.err)
        self.assertEqual(self.scene.inventory()["snapshots"], [])


if __name__ == "__main__":
    unittest.main()
