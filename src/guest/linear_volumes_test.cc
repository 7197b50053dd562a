#include "guest/linear_volumes.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "guest/lvm_fixture.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;

constexpr const char* two_segments =
    "root { id = \"r\"\n segment_count = 2\n"
    "segment1 { start_extent = 0\n extent_count = 2\n type = \"striped\"\n stripe_count = 1\n stripes = [ "
    "\"pv0\", 3 ] }\n"
    "segment2 { start_extent = 2\n extent_count = 1\n type = \"striped\"\n stripe_count = 1\n stripes = "
    "[\n\"pv0\", 0\n] } }\n";

TEST(LinearVolumes, GivesTheRangesOfAVolumeInTheirOrder) {
  MemoryDisk disk(fx::physical_volume(32, two_segments));
  const LinearVolumes found = read_linear_volumes(disk).value();
  ASSERT_EQ(found.volumes.size(), 1U);
  EXPECT_EQ(found.volumes[0].name, "vg0/root");
  EXPECT_EQ(found.volumes[0].ranges,
            (std::vector<Extent>{{mib + 3 * fx::lvm_extent_bytes, 2 * fx::lvm_extent_bytes},
                                 {mib, fx::lvm_extent_bytes}}));
}

TEST(LinearVolumes, NamesWhatIsNotLinear) {
  MemoryDisk disk(fx::physical_volume(
      32,
      "thin { segment_count = 1\n segment1 { start_extent = 0\n extent_count = 1\n type = \"thin\" } }\n"
      "far { segment_count = 1\n segment1 { start_extent = 0\n extent_count = 1\n type = \"striped\"\n "
      "stripe_count = 1\n"
      " stripes = [ \"pv1\", 0 ] } }\n"
      "outside { segment_count = 1\n segment1 { start_extent = 0\n extent_count = 9999\n type = "
      "\"striped\"\n stripe_count = 1\n"
      " stripes = [ \"pv0\", 0 ] } }\n"));
  const LinearVolumes found = read_linear_volumes(disk).value();
  EXPECT_TRUE(found.volumes.empty());
  ASSERT_EQ(found.warnings.size(), 3U);
  EXPECT_NE(found.warnings[0].find("several physical volumes"), std::string::npos);
  EXPECT_NE(found.warnings[1].find("outside"), std::string::npos);
  EXPECT_NE(found.warnings[2].find("not linear (thin)"), std::string::npos);
}

TEST(LinearVolumes, ReadsMetadataThatWrapsAroundItsArea) {
  MemoryDisk disk(fx::physical_volume(32, two_segments, fx::lvm_area_bytes - 100));
  EXPECT_EQ(read_linear_volumes(disk)->volumes.size(), 1U);
}

TEST(LinearVolumes, RefusesMetadataWithAWrongChecksum) {
  Bytes content = fx::physical_volume(32, two_segments);
  content[4096 + 512 + 20] ^= std::byte{1};
  MemoryDisk disk(std::move(content));
  EXPECT_EQ(read_linear_volumes(disk).error().code(), ErrorCode::corrupt);
}

TEST(LinearVolumes, NeverLeavesThePhysicalVolume) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    std::string volumes = two_segments;
    for (std::uint64_t i = 0; i < 1 + seed % 4; ++i)
      volumes[random.below(volumes.size())] = static_cast<char>(random.below(128));
    Bytes content = fx::physical_volume(8, volumes);
    if (seed % 4 == 0) fx::damage(content, {512, 128}, random);
    if (seed % 4 == 1) fx::damage(content, {4096, 64}, random);
    MemoryDisk disk(std::move(content));
    const auto found = read_linear_volumes(disk);
    if (!found.ok()) continue;
    for (const LinearVolume& volume : found->volumes) {
      for (const Extent& range : volume.ranges) EXPECT_LE(range.end(), disk.size()) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace rekindle
