// A local region in a directory of its own, and boto3 as a client that nobody here wrote.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "base/file.h"
#include "base/process.h"
#include "sandbox/region/region.h"

namespace rekindle::sandbox {

// A Python with boto3, or "" if there is none.
inline std::string python_with_boto3() {
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    const auto tried = run_process({python, "-c", "import boto3"});
    if (tried.ok() && tried->exit_status == 0) return python;
  }
  return "";
}

// What every script can use: clients without retries, refused(call, **arguments) -> [code, status],
// until(condition), block helpers.
inline constexpr const char* script_prelude = R"(
import base64, boto3, botocore, hashlib, json, os, sys, time
from botocore.config import Config
from botocore.exceptions import ClientError
endpoint = os.environ['REGION_ENDPOINT']
once = Config(retries={'total_max_attempts': 1, 'mode': 'standard'}, read_timeout=60)
def client(service, **extra): return boto3.client(service, endpoint_url=endpoint, config=once, **extra)
ec2, ebs, sts = client('ec2'), client('ebs'), client('sts')
def refused(call, **arguments):
    try: call(**arguments)
    except ClientError as error: return [error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode']]
    return None
def reason(call, **arguments):
    try: call(**arguments)
    except ClientError as error: return error.response.get('Reason')
    return None
def until(condition):
    for _ in range(3000):
        value = condition()
        if value: return value
        time.sleep(0.02)
    raise SystemExit('it never came: ' + condition.__name__)
BLOCK = 524288
def block(text): return (text.encode() * BLOCK)[:BLOCK]
def digest(data): return hashlib.sha256(data).digest()
def checksum(data): return base64.b64encode(digest(data)).decode()
def put(snapshot, index, data, **changed):
    arguments = dict(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=len(data), Checksum=checksum(data), ChecksumAlgorithm='SHA256')
    arguments.update(changed)
    return ebs.put_snapshot_block(**arguments)
def completed(snapshot):
    def it_is_completed(): return ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['State'] == 'completed'
    until(it_is_completed)
    return snapshot
def make_snapshot(blocks, size=1, **extra):
    snapshot = ebs.start_snapshot(VolumeSize=size, **extra)['SnapshotId']
    for index, data in blocks.items(): put(snapshot, index, data)
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=len(blocks))
    return completed(snapshot)
def read_block(snapshot, index, token): return ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=token)['BlockData'].read()
def content(snapshot):
    return {b['BlockIndex']: read_block(snapshot, b['BlockIndex'], b['BlockToken']) for b in ebs.list_snapshot_blocks(SnapshotId=snapshot)['Blocks']}
def volume_state(volume, wanted):
    def it_is_there(): return ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == wanted
    until(it_is_there)
    return volume
def instance(id): return ec2.describe_instances(InstanceIds=[id])['Reservations'][0]['Instances'][0]
def instance_state(id, wanted):
    def it_is_so(): return instance(id)['State']['Name'] == wanted
    until(it_is_so)
    return instance(id)
def image_of(snapshot, name='image', **extra):
    arguments = dict(Name=name, Architecture='x86_64', VirtualizationType='hvm', EnaSupport=True, RootDeviceName='/dev/sda1',
        BlockDeviceMappings=[{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': snapshot}}])
    arguments.update(extra)
    image = ec2.register_image(**arguments)['ImageId']
    def it_is_available(): return ec2.describe_images(ImageIds=[image])['Images'][0]['State'] == 'available'
    until(it_is_available)
    return image
def done(**values): print(json.dumps(values, default=str))
)";

class RegionTest : public testing::Test {
 protected:
  void SetUp() override {
    python = python_with_boto3();
    if (python.empty())
      GTEST_SKIP() << "boto3 is not installed (apt-get install python3-boto3): nothing was tested";
    options.directory = folder.path();
    options.access_key = "AKIDEXAMPLE";
    options.secret_key = "wJalrXUtnFEMI/K7MDENG";
    options.account_id = "123456789012";
    options.knobs.instance_stop_grace = std::chrono::milliseconds(300);
    start();
  }
  void TearDown() override {
    if (!region) return;
    EXPECT_TRUE(region->terminate_everything().ok());
  }

  void start() {
    region.reset();
    auto started = Region::start(options);
    ASSERT_TRUE(started.ok()) << started.error().message();
    region = std::move(started).value();
  }

  // What the script says with done(...); a failed script fails the test.
  nlohmann::json boto(const std::string& script, const std::string& secret = "") {
    return boto_at(region->endpoint(), script, secret);
  }
  nlohmann::json boto_at(const std::string& endpoint, const std::string& script,
                         const std::string& secret = "") {
    const auto output =
        run_process({"env", "REGION_ENDPOINT=" + endpoint, "AWS_DEFAULT_REGION=us-east-1",
                     "AWS_ACCESS_KEY_ID=" + options.access_key,
                     "AWS_SECRET_ACCESS_KEY=" + (secret.empty() ? options.secret_key : secret),
                     "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null",
                     "AWS_SHARED_CREDENTIALS_FILE=/dev/null", python, "-c", script_prelude + script});
    if (!output.ok() || output->exit_status != 0) {
      throw std::runtime_error("the script failed: " +
                               (output.ok() ? output->err : output.error().message()));
    }
    return nlohmann::json::parse(output->out);
  }

  TemporaryDirectory folder = TemporaryDirectory::make("region").value();
  RegionOptions options;
  std::unique_ptr<Region> region;
  std::string python;
};

// What refused() gives.
inline nlohmann::json refusal(const char* code, int status) {
  return nlohmann::json::array({code, status});
}

// A region with a network to launch instances in.
class RegionWithNetworkTest : public RegionTest {
 protected:
  void SetUp() override {
    RegionTest::SetUp();
    if (IsSkipped()) return;
    network = region->make_network("10.0.0.0/16", "10.0.5.0/24").value();
  }

  Region::Network network;
};

}  // namespace rekindle::sandbox
