"""What the conversion is for: the same DR copy does not boot without it, and answers with it."""

import base64
import time
import unittest

from ec2_query import Ec2
from scene import Scene, http_get


class UnconvertedDoesNotBoot(unittest.TestCase):
    variant = "bios"

    def test_the_same_dr_copy_answers_only_when_it_was_converted(self):
        with Scene(self.variant) as scene:
            self.scene, self.ec2 = scene, Ec2(scene.sandbox["region"])
            scene.set_up()
            scene.create_plan(convert="at-failover")
            scene.back_up()
            scene.replicate()
            scene.strike()
            unconverted, url = self.launch_unconverted()
            self.assertEqual(scene.fail_over()["state"], "succeeded")
            self.assertEqual(http_get(scene.instance_url("/ready"), timeout=10).strip(), "ok")
            self.assertRegex(self.wait_for_its_end(unconverted, url), r"ALERT!\s.*does not exist")
            self.assertEqual(self.state(unconverted), "running", "for EC2 it is a machine that runs")
            self.assertFalse(self.answers(url))

    def launch_unconverted(self):
        """Starts an instance of the DR copy as it is; returns its id and the address of its service."""
        snapshots = self.scene.inventory()["snapshots"]
        self.assertEqual(len(snapshots), 1, "the DR copy")
        image = self.ec2.call(
            "RegisterImage", Name="unconverted", Architecture="x86_64", VirtualizationType="hvm", EnaSupport="true",
            BootMode="uefi" if self.variant == "uefi" else "legacy-bios", RootDeviceName="/dev/sda1",
            BlockDeviceMapping_1_DeviceName="/dev/sda1",
            BlockDeviceMapping_1_Ebs_SnapshotId=snapshots[0]["id"]).findtext("imageId")
        while self.ec2.call("DescribeImages", ImageId_1=image).findtext(".//imageState") != "available":
            time.sleep(0.1)
        region = self.scene.sandbox["region"]
        instance = self.ec2.call(
            "RunInstances", ImageId=image, InstanceType="t3.small", MinCount="1", MaxCount="1",
            SubnetId=region["subnet_id"], SecurityGroupId_1=region["security_group_id"]).findtext(".//instanceId")
        while self.state(instance) == "pending":
            time.sleep(0.1)
        address = self.ec2.call("DescribeInstances", InstanceId_1=instance).findtext(".//ipAddress")
        return instance, f"http://{address}/ready"

    def state(self, instance):
        answer = self.ec2.call("DescribeInstances", InstanceId_1=instance)
        return answer.findtext(".//instanceState/name")

    def answers(self, url):
        try:
            http_get(url, timeout=1)
            return True
        except OSError:
            return False

    def wait_for_its_end(self, instance, url):
        """Its console, once the guest has given up. Debian waits half a minute for its root."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            self.assertFalse(self.answers(url), "it answers, although it was not converted")
            output = self.ec2.call("GetConsoleOutput", InstanceId=instance).findtext("output") or ""
            console = base64.b64decode(output).decode(errors="replace")
            if "does not exist" in console:
                return console
            time.sleep(0.5)
        raise AssertionError(f"the guest did not say why it does not boot; its console:\n{console[-2000:]}")


class UefiUnconvertedDoesNotBoot(UnconvertedDoesNotBoot):
    variant = "uefi"


if __name__ == "__main__":
    unittest.main()
