#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using Ec2Test = RegionTest;
using nlohmann::json;

TEST_F(Ec2Test, BuildsANetworkAndTakesItDownInOrder) {
  const auto seen = boto(R"(
vpc = ec2.create_vpc(CidrBlock='10.1.0.0/16', TagSpecifications=[{'ResourceType': 'vpc', 'Tags': [{'Key': 'plan', 'Value': 'p1'}]}])['Vpc']['VpcId']
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.1.2.0/24')['Subnet']
group = ec2.create_security_group(GroupName='web', Description='web', VpcId=vpc)['GroupId']
rule = dict(GroupId=group, IpPermissions=[{'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])
ec2.authorize_security_group_ingress(**rule)
port = ec2.describe_security_groups(GroupIds=[group])['SecurityGroups'][0]['IpPermissions'][0]['FromPort']
by_tag = [v['VpcId'] for v in ec2.describe_vpcs(Filters=[{'Name': 'tag:plan', 'Values': ['p*']}])['Vpcs']] == [vpc]
early = refused(ec2.delete_vpc, VpcId=vpc)
bad = [refused(ec2.create_subnet, VpcId=vpc, CidrBlock=c) for c in ('10.1.2.128/25', '10.2.0.0/24', '10.1.3.1/24')]
again = refused(ec2.authorize_security_group_ingress, **rule)
ec2.delete_subnet(SubnetId=subnet['SubnetId']); ec2.delete_security_group(GroupId=group); ec2.delete_vpc(VpcId=vpc)
done(free=subnet['AvailableIpAddressCount'], port=port, by_tag=by_tag, early=early, bad=bad, again=again,
     left=len(ec2.describe_vpcs()['Vpcs']) + len(ec2.describe_subnets()['Subnets']) + len(ec2.describe_security_groups()['SecurityGroups']),
     gone=refused(ec2.describe_subnets, SubnetIds=[subnet['SubnetId']]))
)");
  EXPECT_EQ(seen["free"], 251);
  EXPECT_EQ(seen["port"], 80);
  EXPECT_TRUE(seen["by_tag"]);
  EXPECT_EQ(seen["early"], refusal("DependencyViolation", 400));
  EXPECT_EQ(seen["bad"],
            (json::array({refusal("InvalidSubnet.Conflict", 400), refusal("InvalidSubnet.Range", 400),
                          refusal("InvalidParameterValue", 400)})));
  EXPECT_EQ(seen["again"], refusal("InvalidPermission.Duplicate", 400));
  EXPECT_EQ(seen["left"], 0);
  EXPECT_EQ(seen["gone"], refusal("InvalidSubnetID.NotFound", 400));
}

TEST_F(Ec2Test, VolumesPassThroughTheirStates) {
  options.knobs.volume_ready = options.knobs.snapshot_ready = std::chrono::milliseconds(400);
  start();
  const auto seen = boto(R"(
made = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1024, VolumeType='gp3')
volume = made['VolumeId']
busy = refused(ec2.create_snapshot, VolumeId=volume)
volume_state(volume, 'available')
taken = ec2.create_snapshot(VolumeId=volume, Description='d')
snapshot = taken['SnapshotId']
early = refused(ec2.create_volume, AvailabilityZone='us-east-1a', SnapshotId=snapshot)
completed(snapshot)
child = ec2.create_volume(AvailabilityZone='us-east-1a', SnapshotId=snapshot)
small = refused(ec2.create_volume, AvailabilityZone='us-east-1a', SnapshotId=snapshot, Size=8)
zone = refused(ec2.create_volume, AvailabilityZone='us-east-1z', Size=8)
ec2.delete_volume(VolumeId=volume)
done(states=[made['State'], taken['State']], busy=busy, early=early, size=child['Size'], parent=child['SnapshotId'] == snapshot, small=small, zone=zone,
     gone=refused(ec2.describe_volumes, VolumeIds=[volume]), twice=refused(ec2.delete_volume, VolumeId=volume))
)");
  EXPECT_EQ(seen["states"], (json::array({"creating", "pending"})));
  EXPECT_EQ(seen["busy"], refusal("IncorrectState", 400));
  EXPECT_EQ(seen["early"], refusal("IncorrectState", 400));
  EXPECT_EQ(seen["size"], 1024);
  EXPECT_TRUE(seen["parent"]);
  EXPECT_EQ(seen["small"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["zone"], refusal("InvalidZone.NotFound", 400));
  EXPECT_EQ(seen["gone"], refusal("InvalidVolume.NotFound", 400));
  EXPECT_EQ(seen["twice"], refusal("InvalidVolume.NotFound", 400));
  EXPECT_LT(region->disk_usage_bytes(), 1 * mib)
      << "an empty volume of 1 TiB, its snapshot and a volume of that";
}

TEST_F(Ec2Test, AnImageHoldsItsSnapshot) {
  const auto seen = boto(R"(
s = make_snapshot({0: block('boot')})
image = image_of(s, name='one', BootMode='uefi')
ec2.create_tags(Resources=[image], Tags=[{'Key': 'k', 'Value': 'v'}])
held = refused(ec2.delete_snapshot, SnapshotId=s)
duplicate = refused(image_of, snapshot=s, name='one')
missing = refused(image_of, snapshot='snap-0123456789abcdef0', name='two')
plain = ec2.register_image(Name='plain', RootDeviceName='/dev/xvda', BlockDeviceMappings=[{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': s}}])['ImageId']
described = ec2.describe_images(ImageIds=[image])['Images'][0]
default = ec2.describe_images(ImageIds=[plain])['Images'][0]['Architecture']
for i in (image, plain): ec2.deregister_image(ImageId=i)
ec2.delete_snapshot(SnapshotId=s)
done(held=held, duplicate=duplicate, missing=missing, default=default, boot=described['BootMode'], ena=described['EnaSupport'], tag=described['Tags'][0]['Value'],
     size=described['BlockDeviceMappings'][0]['Ebs']['VolumeSize'], gone=refused(ec2.describe_images, ImageIds=[image]))
)");
  EXPECT_EQ(seen["held"], refusal("InvalidSnapshot.InUse", 400));
  EXPECT_EQ(seen["duplicate"], refusal("InvalidAMIName.Duplicate", 400));
  EXPECT_EQ(seen["missing"], refusal("InvalidSnapshot.NotFound", 400));
  EXPECT_EQ(seen["default"], "i386") << "as AWS: who wants x86_64 must say so";
  EXPECT_EQ(seen["boot"], "uefi");
  EXPECT_TRUE(seen["ena"]);
  EXPECT_EQ(seen["tag"], "v");
  EXPECT_EQ(seen["size"], 1);
  EXPECT_EQ(seen["gone"], refusal("InvalidAMIID.NotFound", 400));
}

TEST_F(Ec2Test, RefusesInstancesThatCannotBe) {
  const auto network = region->make_network("10.0.0.0/16", "10.0.5.0/28").value();
  const auto seen =
      boto("subnet, group = '" + network.subnet_id + "', '" + network.security_group_id + "'\n" + R"(
s = make_snapshot({0: block('x')})
image, i386 = image_of(s), image_of(s, name='i386', Architecture='i386')
def run(**changed):
    arguments = dict(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[group])
    arguments.update(changed)
    return refused(ec2.run_instances, **arguments)
done(type=run(InstanceType='t9.huge'), subnet=run(SubnetId='subnet-00000000000000000'), group=run(SecurityGroupIds=['sg-00000000000000000']),
     image=run(ImageId='ami-00000000000000000'), arch=run(ImageId=i386), outside=run(PrivateIpAddress='10.9.9.9'), reserved=run(PrivateIpAddress='10.0.5.3'),
     full=run(MinCount=12, MaxCount=12), dry=run(DryRun=True), left=len(ec2.describe_instances()['Reservations']), volumes=len(ec2.describe_volumes()['Volumes']))
)");
  EXPECT_EQ(seen["type"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["subnet"], refusal("InvalidSubnetID.NotFound", 400));
  EXPECT_EQ(seen["group"], refusal("InvalidGroup.NotFound", 400));
  EXPECT_EQ(seen["image"], refusal("InvalidAMIID.NotFound", 400));
  EXPECT_EQ(seen["arch"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["outside"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["reserved"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["full"], refusal("InsufficientFreeAddressesInSubnet", 400));
  EXPECT_EQ(seen["dry"], refusal("DryRunOperation", 412));
  EXPECT_EQ(seen["left"], 0);
  EXPECT_EQ(seen["volumes"], 0) << "a refused call leaves nothing";
}

TEST_F(Ec2Test, ADryRunLooksForWhatItIsAbout) {
  const auto seen = boto(R"(
none = '00000000000000000'
s = make_snapshot({0: block('x')})
done(there=refused(ec2.delete_snapshot, SnapshotId=s, DryRun=True), left=len(ec2.describe_snapshots(SnapshotIds=[s])['Snapshots']),
     snapshot=refused(ec2.delete_snapshot, SnapshotId='snap-' + none, DryRun=True), listed=refused(ec2.describe_snapshots, SnapshotIds=['snap-' + none], DryRun=True),
     volume=refused(ec2.delete_volume, VolumeId='vol-' + none, DryRun=True), image=refused(ec2.deregister_image, ImageId='ami-' + none, DryRun=True),
     instance=refused(ec2.stop_instances, InstanceIds=['i-' + none], DryRun=True),
     frozen=refused(ec2.create_snapshots, InstanceSpecification={'InstanceId': 'i-' + none}, DryRun=True),
     address=refused(ec2.associate_address, AllocationId='eipalloc-' + none, DryRun=True),
     made=refused(ec2.create_volume, AvailabilityZone='us-east-1a', SnapshotId=s, DryRun=True), made_of=refused(ec2.create_volume, AvailabilityZone='us-east-1a', SnapshotId='snap-' + none, DryRun=True),
     tagged=refused(ec2.create_tags, Resources=[s], Tags=[{'Key': 'k', 'Value': 'v'}], DryRun=True), tags=len(ec2.describe_tags()['Tags']),
     volumes=len(ec2.describe_volumes()['Volumes']), encrypts=ec2.get_ebs_encryption_by_default()['EbsEncryptionByDefault'])
)");
  EXPECT_EQ(seen["there"], refusal("DryRunOperation", 412));
  EXPECT_EQ(seen["left"], 1);
  for (const char* one : {"snapshot", "listed"})
    EXPECT_EQ(seen[one], refusal("InvalidSnapshot.NotFound", 400)) << one;
  EXPECT_EQ(seen["volume"], refusal("InvalidVolume.NotFound", 400));
  EXPECT_EQ(seen["image"], refusal("InvalidAMIID.NotFound", 400));
  for (const char* one : {"instance", "frozen"})
    EXPECT_EQ(seen[one], refusal("InvalidInstanceID.NotFound", 400)) << one;
  EXPECT_EQ(seen["address"], refusal("InvalidAllocationID.NotFound", 400));
  EXPECT_EQ(seen["made"], refusal("DryRunOperation", 412));
  EXPECT_EQ(seen["made_of"], refusal("InvalidSnapshot.NotFound", 400));
  EXPECT_EQ(seen["tagged"], refusal("DryRunOperation", 412));
  EXPECT_EQ(seen["tags"], 0) << "a dry run makes nothing";
  EXPECT_EQ(seen["volumes"], 0);
  EXPECT_EQ(seen["encrypts"], false);
}

TEST_F(Ec2Test, AClientTokenMakesOneVolume) {
  const auto seen = boto(R"(
def make(size): return ec2.create_volume(AvailabilityZone='us-east-1a', Size=size, ClientToken='t')
first, again = make(1)['VolumeId'], make(1)['VolumeId']
done(same=first == again, other=refused(make, size=2), count=len(ec2.describe_volumes()['Volumes']))
)");
  EXPECT_TRUE(seen["same"]);
  EXPECT_EQ(seen["other"], refusal("IdempotentParameterMismatch", 400));
  EXPECT_EQ(seen["count"], 1);
}

TEST_F(Ec2Test, PagesFiltersAndTags) {
  const auto seen = boto(R"(
ids = sorted(ec2.create_volume(AvailabilityZone='us-east-1a', Size=1 + n % 2)['VolumeId'] for n in range(12))
found, sizes, token = [], [], None
while True:
    page = ec2.describe_volumes(MaxResults=5, **({'NextToken': token} if token else {}))
    sizes.append(len(page['Volumes'])); found += [v['VolumeId'] for v in page['Volumes']]; token = page.get('NextToken')
    if not token: break
ec2.create_tags(Resources=ids[:2], Tags=[{'Key': 'job', 'Value': '7'}, {'Key': 'other', 'Value': 'x'}])
ec2.delete_tags(Resources=ids[:1], Tags=[{'Key': 'other'}])
tagged = ec2.describe_volumes(Filters=[{'Name': 'tag:job', 'Values': ['7']}])['Volumes']
done(sizes=sizes, all=found == ids, two=len(ec2.describe_volumes(Filters=[{'Name': 'size', 'Values': ['2']}])['Volumes']),
     tagged=[v['VolumeId'] for v in tagged] == ids[:2], keys=len(ec2.describe_tags(Filters=[{'Name': 'resource-id', 'Values': [ids[0]]}])['Tags']),
     filter=refused(ec2.describe_volumes, Filters=[{'Name': 'colour', 'Values': ['red']}]), few=refused(ec2.describe_volumes, MaxResults=1),
     token=refused(ec2.describe_volumes, NextToken='bad'), tag=refused(ec2.create_tags, Resources=['vol-0f'], Tags=[{'Key': 'a', 'Value': 'b'}]))
)");
  EXPECT_EQ(seen["sizes"], (json::array({5, 5, 2})));
  EXPECT_TRUE(seen["all"]);
  EXPECT_EQ(seen["two"], 6);
  EXPECT_TRUE(seen["tagged"]);
  EXPECT_EQ(seen["keys"], 1);
  EXPECT_EQ(seen["filter"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["few"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["token"], refusal("InvalidNextToken", 400));
  EXPECT_EQ(seen["tag"], refusal("InvalidVolume.NotFound", 400));
}

TEST_F(Ec2Test, SaysWhatItOffersAndWhatItDoesNot) {
  const auto seen = boto(R"(
types = {t['InstanceType']: t['MemoryInfo']['SizeInMiB'] for t in ec2.describe_instance_types(InstanceTypes=['t3.small', 'm5.large'])['InstanceTypes']}
done(regions=[r['RegionName'] for r in ec2.describe_regions()['Regions']], zones=[z['ZoneName'] for z in ec2.describe_availability_zones()['AvailabilityZones']],
     types=types, unknown=refused(ec2.describe_instance_types, InstanceTypes=['t9.huge']), account=sts.get_caller_identity()['Account'],
     offered=ec2.describe_instance_type_offerings(Filters=[{'Name': 'instance-type', 'Values': ['t3.small']}])['InstanceTypeOfferings'][0]['Location'],
     attributes=len(ec2.describe_account_attributes(AttributeNames=['max-instances'])['AccountAttributes']),
     missing=refused(ec2.describe_key_pairs), s3=refused(client('s3').list_buckets))
)");
  EXPECT_EQ(seen["regions"], json::array({"us-east-1"}));
  EXPECT_EQ(seen["zones"], json::array({"us-east-1a", "us-east-1b", "us-east-1c"}));
  EXPECT_EQ(seen["types"], json::parse(R"({"t3.small": 2048, "m5.large": 8192})"));
  EXPECT_EQ(seen["unknown"], refusal("InvalidInstanceType", 400));
  EXPECT_EQ(seen["account"], "123456789012");
  EXPECT_EQ(seen["offered"], "us-east-1");
  EXPECT_EQ(seen["attributes"], 1);
  EXPECT_EQ(seen["missing"], refusal("InvalidAction", 400));
  EXPECT_EQ(seen["s3"][1], 501);
}

}  // namespace
}  // namespace rekindle::sandbox
