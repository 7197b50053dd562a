#include "sandbox/region/block_holder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

// A volume that was frozen once since it was made from its snapshot.
DiskLayers frozen_once() {
  return {{{"top", "/layers/top"}, {"frozen", "/layers/frozen"}, {"snapshot", "/layers/snapshot"}}, {}};
}

DiskLayers::Slow at_rate(std::int64_t bytes_per_second) {
  return {2, "vol-1", "/fetched/vol-1", bytes_per_second};
}

const json& node(const HolderParts& parts, const std::string& name) {
  return *std::find_if(parts.nodes.begin(), parts.nodes.end(),
                       [&](const json& one) { return one.value("node-name", "") == name; });
}

TEST(BlockHolder, ReadsTheSnapshotOfASlowVolumeAtItsRate) {
  DiskLayers disk = frozen_once();
  disk.slow = at_rate(4 * static_cast<std::int64_t>(mib));
  const HolderParts parts = parts_of(disk);
  ASSERT_EQ(parts.objects.size(), 1U);
  EXPECT_EQ(parts.objects[0]["qom-type"], "throttle-group");
  EXPECT_EQ(parts.objects[0]["limits"], (json{{"bps-read", 4 * mib}}));
  const json& slow = node(parts, "slow-vol-1");
  EXPECT_EQ(slow["throttle-group"], parts.objects[0]["id"]);
  EXPECT_EQ(slow["file"]["file"]["filename"], "/layers/snapshot");
}

TEST(BlockHolder, ReadsNothingElseOfASlowVolumeAtItsRate) {
  DiskLayers disk = frozen_once();
  disk.slow = at_rate(1);
  const HolderParts parts = parts_of(disk);
  EXPECT_EQ(node(parts, "top")["backing"], "frozen");
  EXPECT_EQ(node(parts, "frozen")["backing"], "fetch-vol-1");
  EXPECT_EQ(node(parts, "fetch-vol-1")["file"], "fetched-vol-1") << "what was read once is kept here";
  EXPECT_EQ(node(parts, "fetched-vol-1")["backing"], "slow-vol-1");
}

TEST(BlockHolder, LimitsNothingOfAVolumeThatHasItsBlocks) {
  const auto options = options_of(frozen_once(), "-");
  ASSERT_EQ(options.size(), 2U);
  EXPECT_EQ(options[0], "-blockdev");
  EXPECT_EQ(options[1].find("throttle"), std::string::npos) << options[1];
}

}  // namespace
}  // namespace rekindle::sandbox
