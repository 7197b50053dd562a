#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using SignatureTest = RegionTest;
using nlohmann::json;

TEST_F(SignatureTest, TheAwsCommandLineIsUnderstood) {
  if (!run_process({"aws", "--version"}).ok())
    GTEST_SKIP() << "awscli is not installed: it was not tested as a client";
  const std::vector<std::string> environment = {
      "env", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + options.access_key,
      "AWS_SECRET_ACCESS_KEY=" + options.secret_key, "AWS_CONFIG_FILE=/dev/null"};
  auto aws = [&](std::vector<std::string> words) {
    std::vector<std::string> all = environment;
    all.insert(all.end(), {"aws", "--endpoint-url", region->endpoint(), "--output", "json"});
    all.insert(all.end(), words.begin(), words.end());
    const auto output = run_process(all).value();
    EXPECT_EQ(output.exit_status, 0) << output.err;
    return json::parse(output.out, nullptr, false);
  };
  EXPECT_EQ(aws({"sts", "get-caller-identity"})["Account"], "123456789012");
  const std::string id =
      aws({"ebs", "start-snapshot", "--volume-size", "1", "--description", "a b"})["SnapshotId"];
  const auto block = folder.path() / "block";
  ASSERT_TRUE(write_file_atomically(block, std::string(524288, '\0')).ok());
  // The well-known digest of a block of zeros.
  aws({"ebs", "put-snapshot-block", "--snapshot-id", id, "--block-index", "0", "--block-data", block.string(),
       "--data-length", "524288", "--checksum",
       "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=", "--checksum-algorithm", "SHA256"});
  EXPECT_EQ(aws({"ec2", "describe-snapshots", "--filters",
                 "Name=description,Values=a b"})["Snapshots"][0]["SnapshotId"],
            id);
}

TEST_F(SignatureTest, AWrongSecretIsRefusedByEveryServiceInItsWords) {
  const auto seen = boto(
      "done(ec2=refused(ec2.describe_vpcs), ebs=refused(ebs.start_snapshot, VolumeSize=1), "
      "sts=refused(sts.get_caller_identity))",
      "wrong");
  EXPECT_EQ(seen["ec2"], refusal("AuthFailure", 401));
  EXPECT_EQ(seen["ebs"], refusal("InvalidSignatureException", 403));
  EXPECT_EQ(seen["sts"], refusal("SignatureDoesNotMatch", 403));
}

TEST_F(SignatureTest, AnUnknownKeyIsRefusedByEveryServiceInItsWords) {
  const auto seen = boto(R"(
other = dict(aws_access_key_id='AKIDOTHER', aws_secret_access_key='x')
done(ec2=refused(client('ec2', **other).describe_vpcs), ebs=refused(client('ebs', **other).start_snapshot, VolumeSize=1), sts=refused(client('sts', **other).get_caller_identity))
)");
  EXPECT_EQ(seen["ec2"], refusal("AuthFailure", 401));
  EXPECT_EQ(seen["ebs"], refusal("UnrecognizedClientException", 403));
  EXPECT_EQ(seen["sts"], refusal("InvalidClientTokenId", 403));
}

TEST_F(SignatureTest, TakesSessionTokensAndAwkwardText) {
  const auto seen = boto(R"(
temporary = client('ec2', aws_session_token='a/b+c==')
text = 'ä + % & = ~ / ? *  two spaces'
snapshot = ebs.start_snapshot(VolumeSize=1, Description=text)['SnapshotId']
done(vpcs=len(temporary.describe_vpcs()['Vpcs']), same=temporary.describe_snapshots(Filters=[{'Name': 'snapshot-id', 'Values': [snapshot]}])['Snapshots'][0]['Description'] == text)
)");
  EXPECT_EQ(seen["vpcs"], 0);
  EXPECT_TRUE(seen["same"]);
}

// Signs with botocore and sends by hand, changed on the way.
TEST_F(SignatureTest, WhatWasChangedOnTheWayIsRefused) {
  const auto seen = boto(R"(
import datetime, http.client, urllib.parse
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
host = urllib.parse.urlparse(endpoint).netloc
keys = Credentials(os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'])
def signed(body, region='us-east-1', when=None):
    request = AWSRequest('POST', endpoint + '/', data=body, headers={'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8', 'Host': host})
    signer = SigV4Auth(keys, 'ec2', region)
    if when:
        import botocore.auth, botocore.compat
        class Then(datetime.datetime):
            @classmethod
            def utcnow(cls): return when
        real = botocore.auth.datetime, getattr(botocore.auth, 'get_current_datetime', None)
        module = datetime if hasattr(botocore.auth.datetime, 'datetime') else None
        if real[1]: botocore.auth.get_current_datetime = lambda remove_tzinfo=True: when
        else: botocore.auth.datetime = Then if not module else type('m', (), {'datetime': Then})
        signer.add_auth(request)
        botocore.auth.datetime = real[0]
        if real[1]: botocore.auth.get_current_datetime = real[1]
    else: signer.add_auth(request)
    return dict(request.headers.items())
def send(body, headers, path='/'):
    connection = http.client.HTTPConnection(host); connection.request('POST', path, body, headers)
    answer = connection.getresponse(); text = answer.read().decode()
    return [answer.status, text.split('<Code>')[1].split('<')[0] if '<Code>' in text else '']
good = 'Action=DescribeVpcs&Version=2016-11-15'
utc = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
done(good=send(good, signed(good)), body=send(good + '&VpcId.1=vpc-1', signed(good)), extra=send(good, {**signed(good), 'X-Amz-Extra': 'x'}),
     query=send(good, signed(good), '/?DryRun=true'), region=send(good, signed(good, region='eu-west-1')), none=send(good, {'Host': host}),
     near=send(good, signed(good, when=utc - datetime.timedelta(minutes=4))), old=send(good, signed(good, when=utc - datetime.timedelta(minutes=6))),
     early=send(good, signed(good, when=utc + datetime.timedelta(minutes=6))))
)");
  EXPECT_EQ(seen["good"], (json::array({200, ""})));
  for (const char* changed : {"body", "extra", "query", "region"})
    EXPECT_EQ(seen[changed], (json::array({401, "AuthFailure"}))) << changed;
  EXPECT_EQ(seen["none"][0], 403);
  EXPECT_EQ(seen["near"], (json::array({200, ""})));
  EXPECT_EQ(seen["old"], (json::array({400, "RequestExpired"})));
  EXPECT_EQ(seen["early"], (json::array({400, "RequestExpired"})));
}

}  // namespace
}  // namespace rekindle::sandbox
