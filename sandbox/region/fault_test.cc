#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using FaultTest = RegionTest;
using nlohmann::json;

TEST_F(FaultTest, RefusesTheNextCallsOfAnActionAndNoMore) {
  region->faults().add({.action = "CreateVolume", .code = "RequestLimitExceeded", .skip = 1, .times = 2});
  region->faults().add({.action = "PutSnapshotBlock", .code = "RequestThrottledException"});
  const auto seen = boto(R"(
def make(): return refused(ec2.create_volume, AvailabilityZone='us-east-1a', Size=1)
s = ebs.start_snapshot(VolumeSize=1)['SnapshotId']
done(calls=[make() for _ in range(4)], put=[reason(put, snapshot=s, index=0, data=block('x')), refused(put, snapshot=s, index=0, data=block('x'))], volumes=len(ec2.describe_volumes()['Volumes']))
)");
  const json throttled = refusal("RequestLimitExceeded", 503);
  EXPECT_EQ(seen["calls"], (json::array({nullptr, throttled, throttled, nullptr})));
  EXPECT_EQ(seen["put"], (json::array({"RESOURCE_LEVEL_THROTTLE", nullptr})));
  EXPECT_EQ(seen["volumes"], 2);
}

TEST_F(FaultTest, ALostResponseWasDoneAndALostRequestWasNot) {
  region->faults().add({.action = "CreateVpc", .kind = FaultRule::Kind::lose_response});
  region->faults().add({.action = "CreateVpc", .kind = FaultRule::Kind::lose_request, .skip = 1});
  const auto seen = boto(R"(
def make(cidr):
    try: ec2.create_vpc(CidrBlock=cidr)
    except botocore.exceptions.BotoCoreError as error: return type(error).__name__
done(lost=[make('10.%d.0.0/16' % n) for n in range(3)], kept=sorted(v['CidrBlock'] for v in ec2.describe_vpcs()['Vpcs']))
)");
  EXPECT_EQ(seen["lost"], (json::array({"ConnectionClosedError", "ConnectionClosedError", nullptr})));
  EXPECT_EQ(seen["kept"], (json::array({"10.0.0.0/16", "10.2.0.0/16"})));
}

TEST_F(FaultTest, HidesWhatIsNew) {
  region->faults().set_not_found_window(std::chrono::milliseconds(1500));
  const auto seen = boto(R"(
s = ebs.start_snapshot(VolumeSize=1)['SnapshotId']
early = [refused(put, snapshot=s, index=0, data=block('x')), refused(ec2.describe_snapshots, SnapshotIds=[s])]
time.sleep(1.6)
done(early=early, later=refused(put, snapshot=s, index=0, data=block('x')))
)");
  EXPECT_EQ(
      seen["early"],
      (json::array({refusal("ResourceNotFoundException", 404), refusal("InvalidSnapshot.NotFound", 400)})));
  EXPECT_EQ(seen["later"], nullptr);
}

TEST_F(FaultTest, IsAskedForOverHttpAndCountsCalls) {
  const auto seen = boto(R"(
import urllib.request, urllib.error
def admin(method, path, body=None):
    request = urllib.request.Request(endpoint + '/rekindle-sandbox/' + path, method=method, data=json.dumps(body).encode() if body is not None else None)
    try: return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error: return error.code
admin('DELETE', 'calls')
admin('POST', 'faults', {'action': 'CreateVpc', 'code': 'InsufficientInstanceCapacity'})
first = refused(ec2.create_vpc, CidrBlock='10.0.0.0/16')
admin('POST', 'faults', {'action': '*', 'code': 'RequestLimitExceeded', 'times': -1})
every = refused(ec2.describe_vpcs)
admin('DELETE', 'faults')
s = ebs.start_snapshot(VolumeSize=1)['SnapshotId']; put(s, 0, block('x'))
calls = admin('GET', 'calls')
done(first=first, every=every, puts=calls['PutSnapshotBlock'], refused=calls['CreateVpc']['refused'], snapshots=len(admin('GET', 'inventory')['snapshots']),
     bad=[admin('POST', 'faults', {'kind': 'nonsense', 'code': 'x'}), admin('POST', 'faults', {'action': 3, 'code': 'x'}), admin('POST', 'faults', {}), admin('GET', 'nothing')])
)");
  EXPECT_EQ(seen["first"], refusal("InsufficientInstanceCapacity", 500));
  EXPECT_EQ(seen["every"], refusal("RequestLimitExceeded", 503));
  EXPECT_EQ(seen["puts"]["calls"], 1);
  EXPECT_EQ(seen["puts"]["request_bytes"], 524288);
  EXPECT_EQ(seen["refused"], 1);
  EXPECT_EQ(seen["snapshots"], 1);
  EXPECT_EQ(seen["bad"], (json::array({400, 400, 400, 404})));
}

TEST_F(FaultTest, AQuotaRefusesWhatIsBeyondIt) {
  region->faults().add(
      {.action = "DescribeVpcs", .kind = FaultRule::Kind::quota, .times = -1, .per_second = 20});
  region->faults().add(
      {.action = "StartSnapshot", .kind = FaultRule::Kind::quota, .times = -1, .per_second = 1});
  const auto seen = boto(R"(
told = [refused(ec2.describe_vpcs) for _ in range(30)]
time.sleep(1)
of_ebs = [refused(ebs.start_snapshot, VolumeSize=1) for _ in range(3)]
done(refused=[one for one in told if one], went=told.count(None), later=refused(ec2.describe_vpcs), of_ebs=of_ebs[-1])
)");
  ASSERT_FALSE(seen["refused"].empty());
  EXPECT_EQ(seen["refused"][0], refusal("RequestLimitExceeded", 503));
  EXPECT_EQ(seen["of_ebs"], refusal("ThrottlingException", 400));
  EXPECT_GE(seen["went"], 2);
  EXPECT_EQ(seen["later"], nullptr);
}

}  // namespace
}  // namespace rekindle::sandbox
