#include "sandbox/region/block_holder.h"
#include "sandbox/region/machine.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

// A boot sector that writes "NVME BOOT" to the first serial port and halts:
//   xor ax,ax; mov ds,ax; mov si,0x7c15; next: lodsb; test al,al; jz halt; mov dx,0x3f8; out dx,al; jmp next;
//   halt: hlt; jmp halt
constexpr const char* boot_script = R"(
code = bytes.fromhex('31c0 8ed8 be157c ac 84c0 7406 ba f803 ee ebf5 f4 ebfd'.replace(' ', ''))
sector = (code + b'NVME BOOT\r\n\0').ljust(510, b'\0') + b'\x55\xaa'
def boot_image(name='boot', **extra): return image_of(make_snapshot({0: sector.ljust(BLOCK, b'\0')}), name=name, **extra)
def run(image, **changed):
    arguments = dict(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[group])
    arguments.update(changed)
    return ec2.run_instances(**arguments)['Instances'][0]
def console(id): return ec2.get_console_output(InstanceId=id).get('Output', '')
def printed(id, times=1):
    def it_has_printed(): return console(id).count('NVME BOOT') >= times
    until(it_has_printed)
)";

class InstanceTest : public RegionWithNetworkTest {
 protected:
  json script(const std::string& text) {
    return boto("subnet, group = '" + network.subnet_id + "', '" + network.security_group_id + "'\n" +
                boot_script + text);
  }
  pid_t machine(const std::string& id) {
    return find_holder(machine_socket(folder.path() / "instances" / id));
  }
};

TEST_F(InstanceTest, BootsFromItsNvmeDiskAndIsDescribed) {
  const auto seen = script(R"(
image = boot_image()
made = run(image, PrivateIpAddress='10.0.5.25', ClientToken='t1', TagSpecifications=[{'ResourceType': 'instance', 'Tags': [{'Key': 'Name', 'Value': 'web'}]},
    {'ResourceType': 'volume', 'Tags': [{'Key': 'of', 'Value': 'web'}]}])
again = run(image, PrivateIpAddress='10.0.5.25', ClientToken='t1', TagSpecifications=[{'ResourceType': 'instance', 'Tags': [{'Key': 'Name', 'Value': 'web'}]},
    {'ResourceType': 'volume', 'Tags': [{'Key': 'of', 'Value': 'web'}]}])
mismatch = refused(run, image=image, ClientToken='t1')
taken = refused(run, image=image, PrivateIpAddress='10.0.5.25')
id = made['InstanceId']
running = instance_state(id, 'running')
printed(id)
def it_passes(): return ec2.describe_instance_status(InstanceIds=[id])['InstanceStatuses'][0]['InstanceStatus']['Status'] == 'ok'
status = until(it_passes)
volume = ec2.describe_volumes(Filters=[{'Name': 'attachment.instance-id', 'Values': [id]}])['Volumes'][0]
by = {name: len(ec2.describe_instances(Filters=[{'Name': name, 'Values': [value]}])['Reservations'])
      for name, value in [('tag:Name', 'web'), ('client-token', 't1'), ('instance-state-name', 'running'), ('private-ip-address', '10.0.5.99')]}
busy = refused(ec2.delete_subnet, SubnetId=subnet)
ec2.terminate_instances(InstanceIds=[id])
gone = instance_state(id, 'terminated')
done(first=made['State']['Name'], same=again['InstanceId'] == id, mismatch=mismatch, taken=taken, ip=running['PrivateIpAddress'], mac=running['NetworkInterfaces'][0]['MacAddress'],
     group=running['SecurityGroups'][0]['GroupId'] == group, status=status, volume=[volume['State'], volume['Attachments'][0]['Device'], volume['Tags'][0]['Value']],
     by=by, public=running['PublicIpAddress'], busy=busy, reason=gone['StateReason']['Code'], volumes=len(ec2.describe_volumes()['Volumes']))
)");
  EXPECT_EQ(seen["first"], "pending");
  EXPECT_TRUE(seen["same"]);
  EXPECT_EQ(seen["mismatch"], refusal("IdempotentParameterMismatch", 400));
  EXPECT_EQ(seen["taken"], refusal("InvalidIPAddress.InUse", 400));
  EXPECT_EQ(seen["ip"], "10.0.5.25");
  EXPECT_EQ(seen["mac"].get<std::string>().substr(0, 3), "06:");
  EXPECT_TRUE(seen["group"]);
  EXPECT_TRUE(seen["status"]);
  EXPECT_EQ(seen["volume"], (json::array({"in-use", "/dev/sda1", "web"})));
  EXPECT_EQ(seen["by"],
            json::parse(
                R"({"tag:Name": 1, "client-token": 1, "instance-state-name": 1, "private-ip-address": 0})"));
  EXPECT_EQ(seen["public"].get<std::string>().substr(0, 4), "127.");
  EXPECT_EQ(seen["busy"], refusal("DependencyViolation", 400));
  EXPECT_EQ(seen["reason"], "Client.UserInitiatedShutdown");
  EXPECT_EQ(seen["volumes"], 0) << "the root volume goes with its instance";
}

TEST_F(InstanceTest, StopsAndStartsWithTheSameVolumeAndAddress) {
  const auto seen = script(R"(
before = run(boot_image())
id = before['InstanceId']
instance_state(id, 'running'); printed(id)
stopping = ec2.stop_instances(InstanceIds=[id])['StoppingInstances'][0]['CurrentState']['Name']
stopped = instance_state(id, 'stopped')
ec2.start_instances(InstanceIds=[id])
after = instance_state(id, 'running'); printed(id, 2)
keep = lambda i: [i['PrivateIpAddress'], i['NetworkInterfaces'][0]['MacAddress'], i['BlockDeviceMappings'][0]['Ebs']['VolumeId']]
done(stopping=stopping, same=keep(before) == keep(after) == keep(stopped), reason=stopped['StateReason']['Code'])
)");
  EXPECT_EQ(seen["stopping"], "stopping");
  EXPECT_TRUE(seen["same"]);
  EXPECT_EQ(seen["reason"], "Client.UserInitiatedShutdown");
}

TEST_F(InstanceTest, OutlivesTheServer) {
  const std::string id =
      script("id = run(boot_image())['InstanceId']; instance_state(id, 'running'); done(id=id)")["id"];
  const pid_t before = machine(id);
  ASSERT_GT(before, 0);
  start();
  EXPECT_EQ(script("printed('" + id + "'); done(state=instance('" + id + "')['State']['Name'])")["state"],
            "running");
  EXPECT_EQ(machine(id), before);
}

TEST_F(InstanceTest, AMachineThatDiesIsStoppedWithAReason) {
  const std::string id =
      script("id = run(boot_image())['InstanceId']; instance_state(id, 'running'); done(id=id)")["id"];
  kill_process(machine(id));
  const auto seen =
      script("i = instance_state('" + id + "', 'stopped'); done(reason=i['StateReason']['Code'])");
  EXPECT_EQ(seen["reason"], "Client.InstanceInitiatedShutdown");
}

TEST_F(InstanceTest, MayDieWhilePendingWhenAsked) {
  region->faults().add({.action = "RunInstances",
                        .kind = FaultRule::Kind::instance_dies,
                        .code = "Server.InsufficientInstanceCapacity"});
  const auto seen = script(R"(
i = instance_state(run(boot_image())['InstanceId'], 'terminated')
done(reason=i['StateReason']['Code'], volumes=len(ec2.describe_volumes()['Volumes']))
)");
  EXPECT_EQ(seen["reason"], "Server.InsufficientInstanceCapacity");
  EXPECT_EQ(seen["volumes"], 0);
}

TEST_F(InstanceTest, SnapshotsARunningInstanceAndPlugsVolumes) {
  const auto seen = script(R"(
i = instance_state(run(boot_image())['InstanceId'], 'running')
root = i['BlockDeviceMappings'][0]['Ebs']['VolumeId']
snapshots = [completed(ec2.create_snapshot(VolumeId=root)['SnapshotId']) for _ in range(2)]
same = content(snapshots[0]) == content(snapshots[1]) == {0: sector.ljust(BLOCK, b'\0')}
changed = ebs.list_changed_blocks(FirstSnapshotId=snapshots[0], SecondSnapshotId=snapshots[1])['ChangedBlocks']
data = volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId'], 'available')
ec2.attach_volume(VolumeId=data, InstanceId=i['InstanceId'], Device='/dev/sdf')
plugged = [d['DeviceName'] for d in instance(i['InstanceId'])['BlockDeviceMappings']]
held = completed(ec2.create_snapshot(VolumeId=data)['SnapshotId'])
ec2.terminate_instances(InstanceIds=[i['InstanceId']]); instance_state(i['InstanceId'], 'terminated')
done(same=same, changed=len(changed), plugged=plugged, left=[v['State'] for v in ec2.describe_volumes()['Volumes']])
)");
  EXPECT_TRUE(seen["same"]);
  EXPECT_EQ(seen["changed"], 0);
  EXPECT_EQ(seen["plugged"], (json::array({"/dev/sda1", "/dev/sdf"})));
  EXPECT_EQ(seen["left"], json::array({"available"})) << "a volume attached later stays";
}

TEST_F(InstanceTest, UefiMachinesGetUefiFirmware) {
  const std::string id = script(
      "id = run(boot_image(BootMode='uefi'))['InstanceId']; instance_state(id, 'running'); done(id=id)")
      ["id"];
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "instances" / id / "uefi-variables.fd"));
  const auto command = read_text_file(fmt::format("/proc/{}/cmdline", machine(id))).value();
  EXPECT_NE(command.find("OVMF_CODE"), std::string::npos);
}

TEST_F(InstanceTest, TheServersDirectoryHasOneServer) {
  auto second = Region::start(options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::unavailable);
}

TEST_F(InstanceTest, AnElasticAddressIsGivenMovedAndReleased) {
  const auto seen = script(R"(
image = boot_image()
a, b = run(image)['InstanceId'], run(image)['InstanceId']
instance_state(a, 'running'), instance_state(b, 'running')
address = ec2.allocate_address(Domain='vpc')
def of(id): return instance(id).get('PublicIpAddress')
first = of(a)
ec2.associate_address(AllocationId=address['AllocationId'], InstanceId=a)
given = of(a)
ec2.associate_address(AllocationId=address['AllocationId'], InstanceId=a)
busy = refused(ec2.release_address, AllocationId=address['AllocationId'])
ec2.associate_address(AllocationId=address['AllocationId'], InstanceId=b, AllowReassociation=True)
moved = [of(a), of(b)]
listed = ec2.describe_addresses(AllocationIds=[address['AllocationId']])['Addresses'][0]
ec2.disassociate_address(AssociationId=listed['AssociationId'])
free = of(b)
ec2.release_address(AllocationId=address['AllocationId'])
done(ip=address['PublicIp'], first=first, given=given, busy=busy, moved=moved, holder=listed['InstanceId'] == b, free=free,
     gone=refused(ec2.describe_addresses, AllocationIds=[address['AllocationId']]))
)");
  EXPECT_EQ(seen["given"], seen["ip"]);
  EXPECT_EQ(seen["busy"], refusal("InvalidIPAddress.InUse", 400));
  EXPECT_EQ(seen["moved"][0], seen["first"]);
  EXPECT_EQ(seen["moved"][1], seen["ip"]);
  EXPECT_TRUE(seen["holder"]);
  EXPECT_NE(seen["free"], seen["ip"]);
  EXPECT_EQ(seen["gone"], refusal("InvalidAllocationID.NotFound", 400));
}

TEST_F(InstanceTest, IsLaunchedAsTheNetworkInterfaceAndTheDevicesSay) {
  const auto seen = script(R"(
image = boot_image()
arguments = dict(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1, UserData='#!/bin/sh',
    NetworkInterfaces=[{'DeviceIndex': 0, 'SubnetId': subnet, 'Groups': [group], 'PrivateIpAddress': '10.0.5.40', 'AssociatePublicIpAddress': False}],
    BlockDeviceMappings=[{'DeviceName': '/dev/sda1', 'Ebs': {'VolumeType': 'io2', 'Iops': 4000, 'Encrypted': True, 'KmsKeyId': 'alias/dr'}}])
both = refused(ec2.run_instances, SubnetId=subnet, **arguments)
id = ec2.run_instances(**arguments)['Instances'][0]['InstanceId']
running = instance_state(id, 'running')
volume = ec2.describe_volumes(Filters=[{'Name': 'attachment.instance-id', 'Values': [id]}])['Volumes'][0]
ec2.modify_instance_attribute(InstanceId=id, SourceDestCheck={'Value': False})
def attribute(name): return ec2.describe_instance_attribute(InstanceId=id, Attribute=name)
done(both=both, private=running['PrivateIpAddress'], public=running.get('PublicIpAddress'), type=volume['VolumeType'], iops=volume['Iops'],
     encrypted=volume['Encrypted'], key=volume['KmsKeyId'], data=base64.b64decode(attribute('userData')['UserData']['Value']).decode(),
     check=attribute('sourceDestCheck')['SourceDestCheck']['Value'], wrong=refused(ec2.describe_instance_attribute, InstanceId=id, Attribute='kernel'))
)");
  EXPECT_EQ(seen["both"], refusal("InvalidParameterCombination", 400));
  EXPECT_EQ(seen["private"], "10.0.5.40");
  EXPECT_EQ(seen["public"], nullptr);
  EXPECT_EQ(seen["type"], "io2");
  EXPECT_EQ(seen["iops"], 4000);
  EXPECT_EQ(seen["encrypted"], true);
  EXPECT_EQ(seen["key"], "alias/dr");
  EXPECT_EQ(seen["data"], "#!/bin/sh");
  EXPECT_EQ(seen["check"], false);
  EXPECT_EQ(seen["wrong"], refusal("InvalidParameterValue", 400));
}

}  // namespace
}  // namespace rekindle::sandbox
