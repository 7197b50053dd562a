// Quotas, keys and instance profiles as boto3 sees them.
#include "net/curl_transport.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

class AccountSettingsTest : public RegionTest {
 protected:
  int post(const std::string& what, const json& body) {
    HttpRequest request;
    request.method = "POST";
    request.url = region->endpoint() + "/rekindle-sandbox/" + what;
    request.body = to_bytes(as_bytes(body.dump()));
    const auto answer = CurlTransport().send(request);
    return answer.ok() ? answer->status : 0;
  }
  static constexpr const char* prelude = R"(
quotas, kms, iam = client('service-quotas'), client('kms'), client('iam')
vcpus = dict(ServiceCode='ec2', QuotaCode='L-1216C47A')
)";
  json script(const std::string& text) { return boto(prelude + text); }
};

TEST_F(AccountSettingsTest, TheQuotaOfVcpusIsTheAccountsOrTheDefault) {
  const std::string both = R"(
done(own=refused(quotas.get_service_quota, **vcpus), default=quotas.get_aws_default_service_quota(**vcpus)['Quota']['Value'],
     other=refused(quotas.get_service_quota, ServiceCode='ec2', QuotaCode='L-0000'))
)";
  const json before = script(both);
  EXPECT_EQ(before["own"], refusal("NoSuchResourceException", 400));
  EXPECT_EQ(before["default"], 256);
  EXPECT_EQ(before["other"], refusal("NoSuchResourceException", 400));
  EXPECT_EQ(post("quotas", {{"vcpus", 32}}), 200);
  EXPECT_EQ(post("quotas", {{"vcpus", "many"}}), 400);
  start();  // settings outlive the server
  const json after = script("done(quota=quotas.get_service_quota(**vcpus)['Quota'])");
  EXPECT_EQ(after["quota"]["Value"], 32);
  EXPECT_EQ(after["quota"]["QuotaCode"], "L-1216C47A");
  EXPECT_EQ(post("quotas", {{"vcpus", nullptr}}), 200);
  EXPECT_EQ(script(both)["own"], refusal("NoSuchResourceException", 400));
}

TEST_F(AccountSettingsTest, QuotasOfEbsAreTold) {
  const std::string asked = R"(
gp3 = dict(ServiceCode='ebs', QuotaCode='L-7A658B76')
pending = dict(ServiceCode='ebs', QuotaCode='L-94D7AB7D')
done(own=refused(quotas.get_service_quota, **gp3), default=quotas.get_aws_default_service_quota(**gp3)['Quota']['Value'],
     pending=quotas.get_aws_default_service_quota(**pending)['Quota'], other=refused(quotas.get_aws_default_service_quota, ServiceCode='ec2', QuotaCode='L-7A658B76'))
)";
  const json before = script(asked);
  EXPECT_EQ(before["own"], refusal("NoSuchResourceException", 400));
  EXPECT_EQ(before["default"], 50);
  EXPECT_EQ(before["pending"]["Value"], 100);
  EXPECT_EQ(before["pending"]["Adjustable"], false);
  EXPECT_EQ(before["other"], refusal("NoSuchResourceException", 400)) << "it is not of that service";
  EXPECT_EQ(post("quotas", {{"code", "L-7A658B76"}, {"value", 2}}), 200);
  EXPECT_EQ(post("quotas", {{"code", "L-7A658B76"}}), 400);
  start();
  EXPECT_EQ(script(asked)["own"], nullptr);
  EXPECT_EQ(post("quotas", {{"code", "L-7A658B76"}, {"value", nullptr}}), 200);
  EXPECT_EQ(script(asked)["own"], refusal("NoSuchResourceException", 400));
}

TEST_F(AccountSettingsTest, WhatEbsAsksOfAKeyIsOnlyTried) {
  EXPECT_EQ(post("keys", {{"id", "k-1"}}), 200);
  EXPECT_EQ(post("keys", {{"id", "k-2"}, {"state", "Disabled"}}), 200);
  const json seen = script(R"(
if 'DryRun' not in kms.meta.service_model.operation_model('Decrypt').input_shape.members:
    done(old=True)
    raise SystemExit
done(key=refused(kms.generate_data_key_without_plaintext, KeyId='k-1', KeySpec='AES_256', DryRun=True),
     grant=refused(kms.create_grant, KeyId='k-1', GranteePrincipal='arn:aws:iam::123456789012:root', Operations=['Decrypt'], DryRun=True),
     blob=refused(kms.decrypt, KeyId='k-1', CiphertextBlob=b'x', DryRun=True), disabled=refused(kms.decrypt, KeyId='k-2', CiphertextBlob=b'x', DryRun=True),
     to=refused(kms.re_encrypt, SourceKeyId='k-1', DestinationKeyId='k-3', CiphertextBlob=b'x', DryRun=True),
     real=refused(kms.decrypt, KeyId='k-1', CiphertextBlob=b'x'))
)");
  if (seen.contains("old")) GTEST_SKIP() << "this boto3 does not know DryRun of KMS: nothing was tested";
  const json would_succeed = refusal("DryRunOperationException", 400);
  EXPECT_EQ(seen["key"], would_succeed);
  EXPECT_EQ(seen["grant"], would_succeed);
  EXPECT_EQ(seen["blob"], would_succeed);
  EXPECT_EQ(seen["disabled"], refusal("DisabledException", 400));
  EXPECT_EQ(seen["to"], refusal("NotFoundException", 400));
  EXPECT_EQ(seen["real"], refusal("UnsupportedOperationException", 400));
}

TEST_F(AccountSettingsTest, KeysAreFoundByIdAliasAndArn) {
  EXPECT_EQ(post("keys", {{"id", "k-1"}, {"alias", "alias/dr"}}), 200);
  EXPECT_EQ(post("keys", {{"id", "k-2"}, {"state", "Disabled"}, {"usage", "SIGN_VERIFY"}}), 200);
  EXPECT_EQ(post("keys", {{"alias", "alias/none"}}), 400);
  const json seen = script(R"(
def key(name): return kms.describe_key(KeyId=name)['KeyMetadata']
arn = 'arn:aws:kms:us-east-1:' + key('k-1')['AWSAccountId']
done(ids=[key(name)['KeyId'] for name in ('k-1', 'alias/dr', arn + ':key/k-1', arn + ':alias/dr')], good=key('k-1'), bad=key('k-2'),
     unknown=refused(kms.describe_key, KeyId='alias/none'), call=refused(kms.list_keys))
)");
  EXPECT_EQ(seen["ids"], json::array({"k-1", "k-1", "k-1", "k-1"}));
  EXPECT_EQ(seen["good"]["Enabled"], true);
  EXPECT_EQ(seen["good"]["KeyUsage"], "ENCRYPT_DECRYPT");
  EXPECT_EQ(seen["bad"]["KeyState"], "Disabled");
  EXPECT_EQ(seen["bad"]["KeyUsage"], "SIGN_VERIFY");
  EXPECT_EQ(seen["unknown"], refusal("NotFoundException", 400));
  EXPECT_EQ(seen["call"], refusal("UnknownOperationException", 400));
}

TEST_F(AccountSettingsTest, InstanceProfilesHaveARoleOrNone) {
  EXPECT_EQ(post("instance-profiles", {{"name", "web-role"}, {"role", "web"}}), 200);
  EXPECT_EQ(post("instance-profiles", {{"name", "bare"}, {"path", "/shop/"}}), 200);
  const json seen = script(R"(
def profile(name): return iam.get_instance_profile(InstanceProfileName=name)['InstanceProfile']
web, bare = profile('web-role'), profile('bare')
done(web=[role['RoleName'] for role in web['Roles']], bare=bare['Roles'], arn=bare['Arn'].split(':')[-1],
     unknown=refused(iam.get_instance_profile, InstanceProfileName='other'), call=refused(iam.list_roles))
)");
  EXPECT_EQ(seen["web"], json::array({"web"}));
  EXPECT_EQ(seen["bare"], json::array());
  EXPECT_EQ(seen["arn"], "instance-profile/shop/bare");
  EXPECT_EQ(seen["unknown"], refusal("NoSuchEntity", 404));
  EXPECT_EQ(seen["call"], refusal("InvalidAction", 400));
}

TEST_F(AccountSettingsTest, WrongSecretsAreRefusedInEachServicesWords) {
  const json seen = script(R"(
import os
wrong = dict(aws_access_key_id=os.environ['AWS_ACCESS_KEY_ID'], aws_secret_access_key='x')
done(quotas=refused(client('service-quotas', **wrong).get_service_quota, **vcpus), kms=refused(client('kms', **wrong).describe_key, KeyId='k'),
     iam=refused(client('iam', **wrong).get_instance_profile, InstanceProfileName='p'))
)");
  EXPECT_EQ(seen["quotas"], refusal("InvalidSignatureException", 400));
  EXPECT_EQ(seen["kms"], refusal("InvalidSignatureException", 400));
  EXPECT_EQ(seen["iam"], refusal("SignatureDoesNotMatch", 403));
}

TEST_F(AccountSettingsTest, ARoleMayDoOnlyWhatItSaysHereToo) {
  EXPECT_EQ(post("quotas", {{"vcpus", 8}}), 200);
  EXPECT_EQ(post("roles", {{"name", "dr"}, {"actions", {"servicequotas:GetServiceQuota"}}}), 200);
  const json seen = script(R"(
keys = sts.assume_role(RoleArn='arn:aws:iam::123456789012:role/dr', RoleSessionName='me')['Credentials']
mine = dict(aws_access_key_id=keys['AccessKeyId'], aws_secret_access_key=keys['SecretAccessKey'], aws_session_token=keys['SessionToken'])
done(quota=refused(client('service-quotas', **mine).get_service_quota, **vcpus),
     default=refused(client('service-quotas', **mine).get_aws_default_service_quota, **vcpus),
     kms=refused(client('kms', **mine).describe_key, KeyId='k'),
     iam=refused(client('iam', **mine).get_instance_profile, InstanceProfileName='p'))
)");
  EXPECT_EQ(seen["quota"], nullptr);
  EXPECT_EQ(seen["default"], refusal("AccessDeniedException", 400));
  EXPECT_EQ(seen["kms"], refusal("AccessDeniedException", 400));
  EXPECT_EQ(seen["iam"], refusal("AccessDenied", 403));
}

TEST_F(AccountSettingsTest, RunInstancesKeepsTheQuota) {
  EXPECT_EQ(post("quotas", {{"vcpus", 1}}), 200);
  const json seen = script(R"(
snapshot = make_snapshot({0: block('a')})
device = dict(DeviceName='/dev/sda1', Ebs=dict(SnapshotId=snapshot))
image = dict(Name='image', Architecture='x86_64', VirtualizationType='hvm', EnaSupport=True, RootDeviceName='/dev/sda1', BlockDeviceMappings=[device])
rehearsed = refused(ec2.register_image, DryRun=True, **image)
names = len(ec2.describe_images()['Images'])
image = ec2.register_image(**image)['ImageId']
def it_is_available(): return ec2.describe_images(ImageIds=[image])['Images'][0]['State'] == 'available'
until(it_is_available)
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.1.0/24')['Subnet']['SubnetId']
done(run=refused(ec2.run_instances, ImageId=image, InstanceType='t3.small', MinCount=1, MaxCount=1, SubnetId=subnet),
     rehearsed=rehearsed, names=names)
)");
  EXPECT_EQ(seen["run"], refusal("VcpuLimitExceeded", 400));
  EXPECT_EQ(seen["rehearsed"], refusal("DryRunOperation", 412));
  EXPECT_EQ(seen["names"], 0) << "a dry run makes nothing";
}

}  // namespace
}  // namespace rekindle::sandbox
