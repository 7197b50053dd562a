#include <fcntl.h>

#include "sandbox/region/block_holder.h"
#include "sandbox/region/machine.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

// What the scripts have beside the prelude: admin(method, path, body) and launching without fuss.
constexpr const char* knobs_script = R"(
import urllib.request, urllib.error
def admin(method, path, body=None):
    request = urllib.request.Request(endpoint + '/rekindle-sandbox/' + path, method=method, data=json.dumps(body).encode() if body is not None else None)
    try: return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error: return error.code
def turn(**knobs): return admin('POST', 'knobs', knobs)
def root_image(snapshot=None, name='root'): return image_of(snapshot or make_snapshot({0: block('r')}), name=name)
def launch(image, **changed):
    arguments = dict(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1, SubnetId=subnet)
    arguments.update(changed)
    return ec2.run_instances(**arguments)['Instances'][0]['InstanceId']
def seconds_until(condition):
    begun = time.monotonic(); until(condition); return time.monotonic() - begun
)";

class KnobsTest : public RegionWithNetworkTest {
 protected:
  json script(const std::string& text) {
    return boto("subnet, vpc = '" + network.subnet_id + "', '" + network.vpc_id + "'\n" + knobs_script +
                text);
  }
};

TEST_F(KnobsTest, TurnHowLongThingsArePending) {
  const auto seen = script(R"(
before = admin('GET', 'knobs')
turned = turn(snapshot_ready_ms=1500, instance_start_ms=2500)
image_made_slowly = make_snapshot({0: block('r')})
volume = volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId'], 'available')
snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
def snapshot_is_completed(): return ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['State'] == 'completed'
snapshot_seconds = seconds_until(snapshot_is_completed)
id = launch(root_image(image_made_slowly))
def it_runs(): return instance(id)['State']['Name'] == 'running'
instance_seconds = seconds_until(it_runs)
bad = [turn(nonsense=1), turn(snapshot_ready_ms=-1), turn(snapshot_ready_ms=7, no_capacity=[1]), admin('POST', 'knobs', [])]
kept = admin('GET', 'knobs')['snapshot_ready_ms']
done(before=before, kept=kept, snapshot=snapshot_seconds, instance=instance_seconds, bad=bad, reset=admin('DELETE', 'knobs') == before)
)");
  EXPECT_EQ(seen["before"]["snapshot_ready_ms"], 100);
  EXPECT_EQ(seen["before"]["instance_stop_grace_ms"], 300) << "as the region was started";
  EXPECT_EQ(seen["kept"], 1500);
  EXPECT_GT(seen["snapshot"].get<double>(), 1.2);
  EXPECT_GT(seen["instance"].get<double>(), 1.0);
  EXPECT_EQ(seen["bad"], (json::array({400, 400, 400, 400})));
  EXPECT_TRUE(seen["reset"]);
}

TEST_F(KnobsTest, OneTypeMayHaveNoCapacityInOneZone) {
  const auto seen = script(R"(
other = ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.6.0/24', AvailabilityZone='us-east-1b')['Subnet']
image = root_image()
stopped = launch(image); instance_state(stopped, 'running')
ec2.stop_instances(InstanceIds=[stopped], Force=True); instance_state(stopped, 'stopped')
turn(no_capacity=[{'instance_type': 't3.micro', 'zone': 'us-east-1a'}])
arguments = dict(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1, SubnetId=subnet, ClientToken='same')
lacking = refused(ec2.run_instances, **arguments)
start = refused(ec2.start_instances, InstanceIds=[stopped])
larger, elsewhere = launch(image, InstanceType='t3.small'), launch(image, SubnetId=other['SubnetId'])
zones = [instance(i)['Placement']['AvailabilityZone'] for i in (larger, elsewhere)]
volume = ec2.describe_volumes(Filters=[{'Name': 'attachment.instance-id', 'Values': [elsewhere]}])['Volumes'][0]['AvailabilityZone']
far = volume_state(ec2.create_volume(AvailabilityZone='us-east-1c', Size=1)['VolumeId'], 'available')
instance_state(larger, 'running')
mismatch = refused(ec2.attach_volume, VolumeId=far, InstanceId=larger, Device='/dev/sdf')
turn(no_capacity=[])
offered = sorted(o['Location'] for o in ec2.describe_instance_type_offerings(LocationType='availability-zone',
    Filters=[{'Name': 'instance-type', 'Values': ['t3.micro']}])['InstanceTypeOfferings'])
done(lacking=lacking, start=start, zones=zones, volume=volume, mismatch=mismatch, again=refused(ec2.run_instances, **arguments), offered=offered,
     known=[z['ZoneName'] for z in ec2.describe_availability_zones()['AvailabilityZones']],
     nowhere=refused(ec2.create_subnet, VpcId=vpc, CidrBlock='10.0.7.0/24', AvailabilityZone='us-east-1z'))
)");
  EXPECT_EQ(seen["lacking"], refusal("InsufficientInstanceCapacity", 500));
  EXPECT_EQ(seen["start"], seen["lacking"]);
  EXPECT_EQ(seen["zones"], (json::array({"us-east-1a", "us-east-1b"})));
  EXPECT_EQ(seen["volume"], "us-east-1b");
  EXPECT_EQ(seen["mismatch"], refusal("InvalidVolume.ZoneMismatch", 400));
  EXPECT_EQ(seen["again"], nullptr) << "what was refused is not remembered";
  EXPECT_EQ(seen["offered"], (json::array({"us-east-1a", "us-east-1b", "us-east-1c"})));
  EXPECT_EQ(seen["known"], seen["offered"]);
  EXPECT_EQ(seen["nowhere"], refusal("InvalidParameterValue", 400));
}

TEST_F(KnobsTest, WhatIsNewIsNotInListsYet) {
  const auto seen = script(R"(
image = root_image()
time.sleep(4.1)
admin('POST', 'faults', {'not_found_window_ms': 4000})
tags = [{'ResourceType': kind, 'Tags': [{'Key': 'new', 'Value': 'yes'}]} for kind in ('instance', 'volume')]
id = launch(image, TagSpecifications=tags, ClientToken='once')
filters = [{'Name': 'tag:new', 'Values': ['yes']}]
def listed(): return [len(ec2.describe_instances(Filters=filters)['Reservations']), len(ec2.describe_volumes(Filters=filters)['Volumes']),
    len(ec2.describe_tags(Filters=[{'Name': 'key', 'Values': ['new']}])['Tags']), len(ec2.describe_network_interfaces()['NetworkInterfaces'])]
early = listed()
by_id = refused(ec2.describe_instances, InstanceIds=[id])
same = launch(image, TagSpecifications=tags, ClientToken='once') == id
time.sleep(4.1)
done(early=early, by_id=by_id, same=same, later=listed())
)");
  EXPECT_EQ(seen["early"], (json::array({0, 0, 0, 0})));
  EXPECT_EQ(seen["by_id"], refusal("InvalidInstanceID.NotFound", 400));
  EXPECT_TRUE(seen["same"]) << "the repetition of a call knows what it made";
  EXPECT_EQ(seen["later"], (json::array({1, 1, 2, 1})));
}

TEST_F(KnobsTest, AVolumesInitializationRateIsTakenAndShown) {
  const auto seen = script(R"(
snapshot = make_snapshot({n: block('r') for n in range(8)})
def make(**more): return ec2.create_volume(AvailabilityZone='us-east-1a', **more)['VolumeId']
def status(volume):
    found = ec2.describe_volume_status(VolumeIds=[volume])['VolumeStatuses'][0]
    state = {d['Name']: d['Status'] for d in found['VolumeStatus']['Details']}['initialization-state']
    return [state, found.get('InitializationStatusDetails', {}).get('InitializationType')]
at_once = status(make(SnapshotId=snapshot, VolumeInitializationRate=200))
turn(initialization_mib_per_second=1)
slow, fast = make(SnapshotId=snapshot), make(SnapshotId=snapshot, VolumeInitializationRate=300)
first = status(slow)
def slow_is_filled(): return status(slow)[0] == 'completed'
took = seconds_until(slow_is_filled)
i = launch(root_image(snapshot), BlockDeviceMappings=[{'DeviceName': '/dev/sda1', 'Ebs': {'VolumeInitializationRate': 150}}])
root = ec2.describe_volumes(Filters=[{'Name': 'attachment.instance-id', 'Values': [i]}])['Volumes'][0]
zone = dict(AvailabilityZone='us-east-1a')
done(at_once=at_once, first=first, took=took, rate=root['VolumeInitializationRate'], fast=ec2.describe_volumes(VolumeIds=[fast])['Volumes'][0]['VolumeInitializationRate'],
     bad=[refused(ec2.create_volume, SnapshotId=snapshot, VolumeInitializationRate=50, **zone), refused(ec2.create_volume, Size=1, VolumeInitializationRate=200, **zone)])
)");
  EXPECT_EQ(seen["at_once"], (json::array({"completed", nullptr})));
  EXPECT_EQ(seen["first"], (json::array({"initializing", "default"})));
  EXPECT_GT(seen["took"].get<double>(), 1.0) << "4 MiB at 1 MiB/s";
  EXPECT_EQ(seen["rate"], 150);
  EXPECT_EQ(seen["fast"], 300);
  EXPECT_EQ(
      seen["bad"],
      (json::array({refusal("InvalidParameterValue", 400), refusal("InvalidParameterCombination", 400)})));
}

// The boot sector of instance_test.cc: it is read slowly, but it is read.
TEST_F(KnobsTest, AnInstanceBootsFromASlowVolume) {
  const auto seen = script(R"(
turn(initialization_mib_per_second=1)
code = bytes.fromhex('31c08ed8be157cac84c07406baf803eeebf5f4ebfd')
sector = (code + b'NVME BOOT\r\n\0').ljust(510, b'\0') + b'\x55\xaa'
blocks = {n: block('x') for n in range(1, 40)}
id = launch(root_image(make_snapshot({0: sector.ljust(BLOCK, b'\0'), **blocks})))
def it_boots(): return 'NVME BOOT' in ec2.get_console_output(InstanceId=id).get('Output', '')
until(it_boots)
root = ec2.describe_volumes(Filters=[{'Name': 'attachment.instance-id', 'Values': [id]}])['Volumes'][0]['VolumeId']
first, second = [completed(ec2.create_snapshot(VolumeId=root)['SnapshotId']) for _ in range(2)]
done(changed=ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)['ChangedBlocks'], blocks=len(content(second)))
)");
  EXPECT_EQ(seen["changed"], json::array());
  EXPECT_EQ(seen["blocks"], 40);
}

TEST_F(KnobsTest, AnInstancesMachineIsTiedToTheRateOfEachOfItsVolumes) {
  const auto seen = script(R"(
def large(text): return make_snapshot({n: block(text) for n in range(40)})
image, data = root_image(large('r')), [{'DeviceName': '/dev/sdf', 'Ebs': {'SnapshotId': large('d')}}]
def running(): return instance_state(launch(image, BlockDeviceMappings=data), 'running')['InstanceId']
turn(initialization_mib_per_second=1)
slow = running()
turn(initialization_mib_per_second=0)
done(slow=slow, fast=running())
)");
  const auto arguments_of = [&](const std::string& instance) {
    const pid_t pid = find_holder(machine_socket(folder.path() / "instances" / instance));
    return read_text_file(fmt::format("/proc/{}/cmdline", pid)).value();
  };
  const std::string slow = arguments_of(seen["slow"]);
  const std::string limit = fmt::format("\"limits\":{{\"bps-read\":{}}}", mib);
  const auto first = slow.find(limit);
  ASSERT_NE(first, std::string::npos) << slow;
  EXPECT_NE(slow.find(limit, first + 1), std::string::npos) << "the data volume's, too";
  EXPECT_EQ(arguments_of(seen["fast"]).find("throttle"), std::string::npos);
}

class SlowVolumeTest : public KnobsTest {
 protected:
  void SetUp() override {
    KnobsTest::SetUp();
    if (IsSkipped()) return;
    const FileDescriptor fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!fuse) GTEST_SKIP() << "no /dev/fuse: the reading of slow volumes was not tested";
    proxy = region->register_proxy("proxy-1").value();
  }
  json script(const std::string& text) {
    return KnobsTest::script("proxy = '" + proxy.instance_id + "'\n" + text);
  }
  void attach(const std::string& volume) {
    script("ec2.attach_volume(VolumeId='" + volume + "', InstanceId=proxy, Device='/dev/sdf'); done()");
  }
  void detach(const std::string& volume) {
    script("ec2.detach_volume(VolumeId='" + volume + "'); volume_state('" + volume +
           "', 'available'); done()");
  }
  // Reads the first `blocks` blocks of the attached volume, which are to be all 'x'. Seconds.
  double read_blocks(std::size_t blocks) {
    const auto begun = std::chrono::steady_clock::now();
    const File file = File::open(proxy.attached / "sdf", File::Mode::read).value();
    Bytes bytes(524288);
    for (std::size_t i = 0; i < blocks; ++i) {
      EXPECT_TRUE(file.read_at(i * bytes.size(), bytes).ok());
      EXPECT_EQ(bytes, Bytes(bytes.size(), std::byte{'x'}));
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  }

  Region::Proxy proxy;
};

TEST_F(SlowVolumeTest, ABlockIsSlowTheFirstTimeOnly) {
  const auto made = script(R"(
turn(initialization_mib_per_second=1)
snapshot = make_snapshot({n: block('x') for n in range(60)})
done(snapshot=snapshot, volume=volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', SnapshotId=snapshot)['VolumeId'], 'available'))
)");
  const std::string volume = made["volume"];
  attach(volume);
  const double first = read_blocks(4);
  EXPECT_GT(first, 1.3) << "2 MiB at 1 MiB/s";
  // A frozen layer of its own lies between the volume's top and its snapshot then.
  {
    File file = File::open(proxy.attached / "sdf", File::Mode::read_write).value();
    ASSERT_TRUE(file.write_at(20 * 524288, as_bytes("changed")).ok() && file.sync().ok());
  }
  const auto frozen =
      script("first, v = '" + made["snapshot"].get<std::string>() + "', '" + volume + "'\n" + R"(
s = completed(ec2.create_snapshot(VolumeId=v)['SnapshotId'])
done(changed=[b['BlockIndex'] for b in ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=s)['ChangedBlocks']])
)");
  EXPECT_EQ(frozen["changed"], json::array({20})) << "what was only read has not changed";
  detach(volume);
  attach(volume);
  const double again = read_blocks(4);
  EXPECT_LT(again, first / 2) << "these were fetched already";
}

TEST_F(SlowVolumeTest, IsFastWhenItHadTheTime) {
  const auto made = script(R"(
turn(initialization_mib_per_second=4)
snapshot = make_snapshot({n: block('x') for n in range(48)})
volume = volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', SnapshotId=snapshot)['VolumeId'], 'available')
ec2.attach_volume(VolumeId=volume, InstanceId=proxy, Device='/dev/sdf')
def it_is_filled(): return not [d for s in ec2.describe_volume_status(VolumeIds=[volume])['VolumeStatuses'] for d in s['VolumeStatus']['Details'] if d['Status'] == 'initializing']
done(volume=volume, took=seconds_until(it_is_filled))
)");
  EXPECT_GT(made["took"].get<double>(), 1.5) << "24 MiB at 4 MiB/s";
  EXPECT_LT(read_blocks(48), 4.0);
  detach(made["volume"]);
  const auto deleted =
      script("ec2.delete_volume(VolumeId='" + made["volume"].get<std::string>() + "'); done()");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() / "fetched"));
}

}  // namespace
}  // namespace rekindle::sandbox
