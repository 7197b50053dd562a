// Temporary credentials as boto3 gets and uses them.
#include "sandbox/region/roles.h"
#include "net/curl_transport.h"
#include "sandbox/region/roles_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

class RolesTest : public RegionWithRolesTest {
 protected:
  static constexpr const char* prelude = R"(
def assume(name='dr', **more): return sts.assume_role(RoleArn='arn:aws:iam::123456789012:role/' + name, RoleSessionName='me', **more)
def with_keys(service, keys, **changed):
    words = dict(aws_access_key_id=keys['AccessKeyId'], aws_secret_access_key=keys['SecretAccessKey'], aws_session_token=keys['SessionToken'])
    words.update(changed)
    return client(service, **words)
)";
  json role_script(const std::string& script) { return boto(prelude + script); }
};

TEST_F(RolesTest, AnAssumedRoleMayCallEveryService) {
  make_role({{"name", "dr"}});
  const json seen = role_script(R"(
keys = assume()['Credentials']
who = with_keys('sts', keys).get_caller_identity()
done(arn=who['Arn'], account=who['Account'], vpcs=len(with_keys('ec2', keys).describe_vpcs()['Vpcs']),
     snapshot=with_keys('ebs', keys).start_snapshot(VolumeSize=1)['Status'])
)");
  EXPECT_EQ(seen["arn"], "arn:aws:sts::123456789012:assumed-role/dr/me");
  EXPECT_EQ(seen["account"], "123456789012");
  EXPECT_EQ(seen["vpcs"], 0);
  EXPECT_EQ(seen["snapshot"], "pending");
}

TEST_F(RolesTest, ARoleAsksForItsExternalId) {
  make_role({{"name", "dr"}, {"external_id", "x1"}});
  const json seen = role_script(R"(
arn = 'arn:aws:iam::123456789012:role/'
def tried(**more): return refused(sts.assume_role, RoleSessionName='me', **more)
done(none=tried(RoleArn=arn + 'dr'), wrong=tried(RoleArn=arn + 'dr', ExternalId='other'), unknown=tried(RoleArn=arn + 'other'),
     short=tried(RoleArn=arn + 'dr', ExternalId='x1', DurationSeconds=900), right=assume(ExternalId='x1')['AssumedRoleUser']['Arn'])
)");
  for (const char* wrong : {"none", "wrong", "unknown"}) EXPECT_EQ(seen[wrong], refusal("AccessDenied", 403));
  EXPECT_EQ(seen["short"], nullptr);
  EXPECT_EQ(seen["right"], "arn:aws:sts::123456789012:assumed-role/dr/me");
}

TEST_F(RolesTest, SessionsEndAndTheirTokensAreNotInterchangeable) {
  make_role({{"name", "dr"}});
  make_role({{"name", "short"}, {"life_seconds", 1}});
  const json seen = role_script(R"(
keys, other, short = assume()['Credentials'], assume()['Credentials'], assume('short')['Credentials']
time.sleep(1.1)
done(foreign=refused(with_keys('ec2', keys, aws_session_token=other['SessionToken']).describe_vpcs),
     none=refused(with_keys('ec2', keys, aws_session_token=None).describe_vpcs),
     secret=refused(with_keys('ec2', keys, aws_secret_access_key='x').describe_vpcs),
     ec2=refused(with_keys('ec2', short).describe_vpcs), sts=refused(with_keys('sts', short).get_caller_identity),
     ebs=refused(with_keys('ebs', short).start_snapshot, VolumeSize=1))
)");
  for (const char* wrong : {"foreign", "none", "secret"}) EXPECT_EQ(seen[wrong], refusal("AuthFailure", 401));
  EXPECT_EQ(seen["ec2"], refusal("RequestExpired", 400));
  EXPECT_EQ(seen["sts"], refusal("ExpiredToken", 403));
  EXPECT_EQ(seen["ebs"], refusal("ExpiredTokenException", 403));
}

TEST_F(RolesTest, TheMetadataServiceGivesOutTheRoleToWhoShowsAToken) {
  const std::string script = R"(
import urllib.request, urllib.error
def ask(path, method='GET', **headers):
    request = urllib.request.Request(endpoint + path, method=method, headers={k.replace('_', '-'): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request) as answer: return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error: return [error.code, '']
roles = '/latest/meta-data/iam/security-credentials/'
status, token = ask('/latest/api/token', 'PUT', X_aws_ec2_metadata_token_ttl_seconds='60')
seen = dict(token=status, bare=ask(roles)[0], get=ask('/latest/api/token')[0], endless=ask('/latest/api/token', 'PUT')[0],
            role=ask(roles, X_aws_ec2_metadata_token=token), region=ask('/latest/meta-data/placement/region', X_aws_ec2_metadata_token=token))
)";
  EXPECT_EQ(boto(script + "done(**seen)")["role"][0], 404) << "no role yet";
  make_role({{"name", "another"}});
  make_role({{"name", "proxy"}, {"of_instances", true}});
  start();  // roles outlive the server
  const json seen = boto(script + R"(
os.environ.pop('AWS_EC2_METADATA_DISABLED')
from botocore.utils import InstanceMetadataFetcher
keys = InstanceMetadataFetcher(base_url=endpoint).retrieve_iam_role_credentials()
who = client('sts', aws_access_key_id=keys['access_key'], aws_secret_access_key=keys['secret_key'], aws_session_token=keys['token']).get_caller_identity()
done(arn=who['Arn'], **seen)
)");
  EXPECT_EQ(seen["token"], 200);
  EXPECT_EQ(seen["bare"], 401);
  EXPECT_EQ(seen["get"], 405);
  EXPECT_EQ(seen["endless"], 400);
  EXPECT_EQ(seen["role"], (json::array({200, "proxy"})));
  EXPECT_EQ(seen["region"], (json::array({200, "us-east-1"})));
  EXPECT_EQ(seen["arn"], "arn:aws:sts::123456789012:assumed-role/proxy/instance");
}

TEST_F(RolesTest, ARoleMayDoOnlyWhatItSays) {
  make_role({{"name", "dr"}, {"actions", {"ec2:DescribeVpcs", "ebs:StartSnapshot"}}});
  const json seen = role_script(R"(
keys = assume()['Credentials']
mine, blocks = with_keys('ec2', keys), with_keys('ebs', keys)
s = blocks.start_snapshot(VolumeSize=1)['SnapshotId']
done(vpcs=refused(mine.describe_vpcs), subnets=refused(mine.describe_subnets), put=refused(blocks.list_snapshot_blocks, SnapshotId=s),
     who=refused(with_keys('sts', keys).get_caller_identity), root=refused(ec2.describe_subnets))
)");
  EXPECT_EQ(seen["vpcs"], nullptr);
  EXPECT_EQ(seen["subnets"], refusal("UnauthorizedOperation", 403));
  EXPECT_EQ(seen["put"], refusal("AccessDeniedException", 403));
  EXPECT_EQ(seen["who"], nullptr);
  EXPECT_EQ(seen["root"], nullptr) << "the account's own key may do all";
}

TEST_F(RolesTest, APolicyJudgesEveryCallByTheResourcesThatItTouches) {
  const json is_ours = {{"Null", {{"aws:ResourceTag/ours", "false"}}}};
  const json becomes_ours = {{"Null", {{"aws:RequestTag/ours", "false"}}}};
  const auto allow = [](const json& actions, const json& condition) {
    json statement = {{"Effect", "Allow"}, {"Action", actions}, {"Resource", "*"}};
    if (!condition.is_null()) statement["Condition"] = condition;
    return statement;
  };
  const json policy = {{"Version", "2012-10-17"},
                       {"Statement",
                        {allow("ec2:Describe*", nullptr),
                         allow({"ebs:StartSnapshot", "ec2:CreateTags"}, becomes_ours),
                         allow({"ebs:PutSnapshotBlock", "ec2:DeleteSnapshot"}, is_ours),
                         {{"Effect", "Deny"}, {"Action", "ec2:DescribeSubnets"}, {"Resource", "*"}}}}};
  make_role({{"name", "dr"}, {"policy", policy}});
  start();  // with its policy the role outlives the server
  const json seen = role_script(R"(
keys = assume()['Credentials']
mine, blocks = with_keys('ec2', keys), with_keys('ebs', keys)
ours = blocks.start_snapshot(VolumeSize=1, Tags=[{'Key': 'ours', 'Value': 'x'}])['SnapshotId']
foreign = ebs.start_snapshot(VolumeSize=1)['SnapshotId']
def write(snapshot): return refused(blocks.put_snapshot_block, SnapshotId=snapshot, BlockIndex=0, BlockData=block('a'), DataLength=BLOCK, Checksum=checksum(block('a')), ChecksumAlgorithm='SHA256')
def remove(snapshot, **more): return refused(mine.delete_snapshot, SnapshotId=snapshot, **more)
done(vpcs=refused(mine.describe_vpcs), subnets=refused(mine.describe_subnets), untagged=refused(blocks.start_snapshot, VolumeSize=1),
     write=[write(ours), write(foreign)], list=refused(blocks.list_snapshot_blocks, SnapshotId=ours),
     dry=[remove(ours, DryRun=True), remove(foreign, DryRun=True)], remove=[remove(foreign), remove('snap-00000000000000000'), remove(ours)],
     who=refused(with_keys('sts', keys).get_caller_identity), again=refused(with_keys('sts', keys).assume_role, RoleArn='arn:aws:iam::123456789012:role/dr', RoleSessionName='me'),
     root=refused(ec2.delete_snapshot, SnapshotId=foreign))
)");
  const json unauthorized = refusal("UnauthorizedOperation", 403);
  const json denied = refusal("AccessDeniedException", 403);
  EXPECT_EQ(seen["vpcs"], nullptr);
  EXPECT_EQ(seen["subnets"], unauthorized) << "what is denied is denied, whatever else allows it";
  EXPECT_EQ(seen["untagged"], denied);
  EXPECT_EQ(seen["write"], (json::array({nullptr, denied})));
  EXPECT_EQ(seen["list"], denied);
  EXPECT_EQ(seen["dry"], (json::array({refusal("DryRunOperation", 412), unauthorized})));
  EXPECT_EQ(seen["remove"], (json::array({unauthorized, unauthorized, nullptr})))
      << "what is not there has no tag";
  EXPECT_EQ(seen["who"], nullptr);
  EXPECT_EQ(seen["again"], refusal("AccessDenied", 403));
  EXPECT_EQ(seen["root"], nullptr) << "the account's own key may do all";
}

TEST_F(RolesTest, APolicyThatCouldNotBeJudgedMakesNoRole) {
  const auto answer_to = [&](const json& statement) {
    HttpRequest request;
    request.method = "POST";
    request.url = region->endpoint() + "/rekindle-sandbox/roles";
    const json role = {{"name", "dr"}, {"policy", {{"Version", "2012-10-17"}, {"Statement", statement}}}};
    request.body = to_bytes(as_bytes(role.dump()));
    return CurlTransport().send(request).value();
  };
  const json good = {{"Effect", "Allow"}, {"Action", "*"}, {"Resource", "*"}};
  EXPECT_EQ(answer_to(good).status, 200);
  json statement = good;
  statement["Condition"] = {{"IpAddress", {{"aws:SourceIp", "10.0.0.0/8"}}}};
  EXPECT_EQ(answer_to(statement).status, 400);
  EXPECT_NE(answer_to(statement).body_text().find("IpAddress"), std::string_view::npos);
  statement["Condition"] = {{"StringEquals", {{"ec2:InstanceType", "t3.small"}}}};
  EXPECT_EQ(answer_to(statement).status, 400);
  EXPECT_NE(answer_to(statement).body_text().find("ec2:InstanceType"), std::string_view::npos);
  EXPECT_EQ(
      role_from_json({{"name", "dr"}, {"actions", {"ec2:RunInstances"}}, {"policy", {{"Version", "x"}}}})
          .error()
          .code(),
      ErrorCode::invalid_argument)
      << "both";
}

}  // namespace
}  // namespace rekindle::sandbox
