#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

// The server as a process of its own, which can be killed.
class CrashTest : public RegionTest {
 protected:
  void start_apart() {
    region.reset();
    server = ::fork();
    ASSERT_GE(server, 0);
    if (server == 0) {
      const auto apart = Region::start(options);
      if (!apart.ok()) ::_exit(1);
      if (!write_file_atomically(folder.path() / "endpoint", (*apart)->endpoint()).ok()) ::_exit(2);
      while (true) ::pause();
    }
  }
  void kill_server() {
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    ASSERT_EQ(::waitpid(server, nullptr, 0), server);
  }

  pid_t server = 0;
};

// Makes things until the server is gone, and says after each what it was told.
constexpr const char* busy_script = R"(
while not os.path.exists(folder + '/endpoint'): time.sleep(0.01)
endpoint = open(folder + '/endpoint').read()
ec2, ebs = client('ec2'), client('ebs')
told = {'volumes': [], 'snapshots': [], 'blocks': []}
def tell():
    with open(folder + '/told.tmp', 'w') as out: json.dump(told, out)
    os.rename(folder + '/told.tmp', folder + '/told')
try:
    s = ebs.start_snapshot(VolumeSize=1)['SnapshotId']; told['snapshots'].append(s)
    for n in range(2000):
        put(s, n, block('block %d ' % n)); told['blocks'].append(n); tell()
        told['volumes'].append(ec2.create_volume(AvailabilityZone='us-east-1a', Size=1, ClientToken='t%d' % n)['VolumeId']); tell()
except botocore.exceptions.BotoCoreError as gone: done(gone=type(gone).__name__)
)";

TEST_F(CrashTest, WhatWasAcknowledgedIsThereAfterKill9) {
  start_apart();
  std::jthread killer([this] {
    while (!std::filesystem::exists(folder.path() / "told"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    kill_server();
  });
  // The script finds the server by itself.
  boto_at("http://127.0.0.1:1", "folder = '" + folder.path().string() + "'\n" + busy_script);
  killer.join();
  start();
  const auto seen = boto("told = json.load(open('" + (folder.path() / "told").string() + "'))\n" + R"(
s = told['snapshots'][0]
there = {v['VolumeId'] for v in ec2.describe_volumes()['Volumes']}
again = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1, ClientToken='t0')['VolumeId']
extra = 0
while True:
    # At most one block was put without our hearing of it.
    try: ebs.complete_snapshot(SnapshotId=s, ChangedBlocksCount=len(told['blocks']) + extra); break
    except ClientError:
        extra += 1
        if extra > 1: raise
got = content(completed(s))
done(count=len(told['volumes']), missing=len(set(told['volumes']) - there), same=again == told['volumes'][0],
     blocks=all(got[n] == block('block %d ' % n) for n in told['blocks']), unheard=len(there) - len(told['volumes']))
)");
  EXPECT_GT(seen["count"], 0);
  EXPECT_EQ(seen["missing"], 0);
  EXPECT_TRUE(seen["same"]);
  EXPECT_TRUE(seen["blocks"]);
  EXPECT_LE(seen["unheard"], 1);
}

}  // namespace
}  // namespace rekindle::sandbox
