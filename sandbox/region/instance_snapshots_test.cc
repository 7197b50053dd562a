#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

// Two volumes: /dev/sda1 of `root`, which has blocks 0 and 4, and /dev/sdf of `data`, which has block 2.
constexpr const char* launch_script = R"(
root, data = make_snapshot({0: block('r'), 4: block('s')}), make_snapshot({2: block('d')})
def launch(root=root):
    image = image_of(root, name='two' + root, BlockDeviceMappings=[{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': root}},
        {'DeviceName': '/dev/sdf', 'Ebs': {'SnapshotId': data}}])
    return ec2.run_instances(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1, SubnetId=subnet)['Instances'][0]['InstanceId']
)";
constexpr const char* launch_functions = R"(
def volumes(id): return [d['Ebs']['VolumeId'] for d in instance(id)['BlockDeviceMappings']]
def freeze(id, **specification): return ec2.create_snapshots(InstanceSpecification=dict(InstanceId=id, **specification))['Snapshots']
def stop(id): ec2.stop_instances(InstanceIds=[id], Force=True); instance_state(id, 'stopped')
def changed(first, second): return [b['BlockIndex'] for b in ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)['ChangedBlocks']]
)";

class InstanceSnapshotsTest : public RegionWithNetworkTest {
 protected:
  json script(const std::string& text) {
    return boto("subnet = '" + network.subnet_id + "'\n" + launch_script + launch_functions + text);
  }
};

TEST_F(InstanceSnapshotsTest, AreOfAllVolumesOfTheInstance) {
  const auto seen = script(R"(
id = launch()
pending = refused(ec2.create_snapshots, InstanceSpecification={'InstanceId': id}) if instance(id)['State']['Name'] == 'pending' else None
instance_state(id, 'running')
made = ec2.create_snapshots(InstanceSpecification={'InstanceId': id}, Description='both', CopyTagsFromSource='volume',
    TagSpecifications=[{'ResourceType': 'snapshot', 'Tags': [{'Key': 'of', 'Value': 'both'}]}])['Snapshots']
for snapshot in made: completed(snapshot['SnapshotId'])
described = ec2.describe_snapshots(Filters=[{'Name': 'tag:of', 'Values': ['both']}])['Snapshots']
contents = [{index: data[:1].decode() for index, data in content(s['SnapshotId']).items()} for s in made]
done(order=[s['VolumeId'] for s in made] == volumes(id), first={k: str(v) for k, v in made[0].items() if k in ('State', 'Progress', 'OwnerId', 'VolumeSize', 'Description', 'Encrypted', 'Tags')},
     contents=contents, described=sorted(s['VolumeId'] for s in described) == sorted(volumes(id)), pending=pending,
     unchanged=changed(root, made[0]['SnapshotId']) + changed(data, made[1]['SnapshotId']))
)");
  EXPECT_TRUE(seen["order"]);
  EXPECT_EQ(seen["first"], json::parse(R"({"State": "pending", "Progress": "0%", "OwnerId": "123456789012",
      "VolumeSize": "1", "Description": "both", "Encrypted": "False", "Tags": "[{'Key': 'of', 'Value': 'both'}]"})"));
  EXPECT_EQ(seen["contents"], json::parse(R"([{"0": "r", "4": "s"}, {"2": "d"}])"));
  EXPECT_TRUE(seen["described"]);
  EXPECT_EQ(seen["unchanged"], json::array());
}

TEST_F(InstanceSnapshotsTest, LeaveOutWhatIsExcludedAndRefuseWhatCannotBe) {
  const std::string id = script("id = launch(); instance_state(id, 'running'); stop(id); done(id=id)")["id"];
  options.knobs.snapshot_ready = std::chrono::minutes(1);
  start();
  const auto seen = boto("id = '" + id + "'\n" + launch_functions + R"(
root_volume, data_volume = volumes(id)
def frozen(**specification): return [s['VolumeId'] for s in freeze(id, **specification)]
def refused_freeze(**specification): return refused(ec2.create_snapshots, InstanceSpecification=specification)
without_root = frozen(ExcludeBootVolume=True) == [data_volume]
without_data = frozen(ExcludeDataVolumeIds=[data_volume]) == [root_volume]
none = refused_freeze(InstanceId=id, ExcludeBootVolume=True, ExcludeDataVolumeIds=[data_volume])
for _ in range(4): freeze(id, ExcludeDataVolumeIds=[data_volume])
done(without_root=without_root, without_data=without_data, none=none, many=refused_freeze(InstanceId=id),
     left=len(ec2.describe_snapshots(Filters=[{'Name': 'volume-id', 'Values': [data_volume]}])['Snapshots']),
     unknown=refused_freeze(InstanceId='i-00000000000000000'))
)");
  EXPECT_TRUE(seen["without_root"]);
  EXPECT_TRUE(seen["without_data"]);
  EXPECT_EQ(seen["none"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["many"], refusal("ConcurrentSnapshotLimitExceeded", 400));
  EXPECT_EQ(seen["left"], 1) << "what is refused makes none";
  EXPECT_EQ(seen["unknown"], refusal("InvalidInstanceID.NotFound", 400));
}

TEST_F(InstanceSnapshotsTest, ChangesAreListedSinceTheImageAndItsAncestors) {
  const auto seen = script(R"(
child = make_snapshot({4: block('t'), 7: block('u')}, ParentSnapshotId=root)
id = launch(child); instance_state(id, 'running'); stop(id)
first = completed(freeze(id)[0]['SnapshotId'])
ec2.start_instances(InstanceIds=[id]); instance_state(id, 'running')
later = completed(freeze(id)[0]['SnapshotId'])
other = make_snapshot({0: block('r')})
tokens = {b['BlockIndex']: ('FirstBlockToken' in b, 'SecondBlockToken' in b)
    for b in ebs.list_changed_blocks(FirstSnapshotId=root, SecondSnapshotId=later)['ChangedBlocks']}
done(parent=changed(root, later), child=changed(child, later), self=changed(first, later), tokens=tokens,
     unrelated=[refused(ebs.list_changed_blocks, FirstSnapshotId=other, SecondSnapshotId=later),
                reason(ebs.list_changed_blocks, FirstSnapshotId=other, SecondSnapshotId=later)])
)");
  EXPECT_EQ(seen["parent"], (json::array({4, 7})));
  EXPECT_EQ(seen["child"], json::array());
  EXPECT_EQ(seen["self"], json::array());
  EXPECT_EQ(seen["tokens"], json::parse(R"({"4": [true, true], "7": [false, true]})"));
  EXPECT_EQ(seen["unrelated"], (json::array({refusal("ValidationException", 400), "UNRELATED_SNAPSHOTS"})));
}

TEST_F(InstanceSnapshotsTest, StatusChecksTakeTheirTimeAfterEveryStart) {
  options.knobs.status_checks = std::chrono::milliseconds(1500);
  start();
  const auto seen = script(R"(
def status(id, **more):
    all = ec2.describe_instance_status(InstanceIds=[id], **more)['InstanceStatuses']
    return [[s['InstanceState']['Name'], s['SystemStatus']['Status'], s['InstanceStatus']['Status']] for s in all]
id = launch()
instance_state(id, 'running')
checking = status(id)
def it_is_ok(): return status(id)[0][2] == 'ok'
until(it_is_ok)
passed = status(id)
stop(id)
stopped = [status(id), status(id, IncludeAllInstances=True)]
ec2.start_instances(InstanceIds=[id]); instance_state(id, 'running')
done(checking=checking, passed=passed, stopped=stopped, again=status(id))
)");
  EXPECT_EQ(seen["checking"], json::parse(R"([["running", "initializing", "initializing"]])"));
  EXPECT_EQ(seen["passed"], json::parse(R"([["running", "ok", "ok"]])"));
  EXPECT_EQ(seen["stopped"], json::parse(R"([[], [["stopped", "not-applicable", "not-applicable"]]])"));
  EXPECT_EQ(seen["again"], seen["checking"]);
}

// A boot sector hears no power button.
TEST_F(InstanceSnapshotsTest, AGuestThatDoesNotHearIsSwitchedOffAfterTheGraceOrAtOnceByForce) {
  options.knobs.instance_stop_grace = std::chrono::seconds(3);
  start();
  const auto seen = script(R"(
id = launch(); instance_state(id, 'running')
def seconds(**more):
    begun = time.monotonic(); ec2.stop_instances(InstanceIds=[id], **more); instance_state(id, 'stopped')
    return time.monotonic() - begun
slow = seconds()
ec2.start_instances(InstanceIds=[id]); instance_state(id, 'running')
ec2.stop_instances(InstanceIds=[id])
done(slow=slow, fast=seconds(Force=True))
)");
  EXPECT_GE(seen["slow"].get<double>(), 2.9);
  EXPECT_LT(seen["fast"].get<double>(), 2.8);
}

}  // namespace
}  // namespace rekindle::sandbox
