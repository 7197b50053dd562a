#include <gtest/gtest.h>

#include "base/random.h"
#include "disk/file_disk.h"
#include "disk/memory_disk.h"
#include "disk/overlay_disk.h"

namespace rekindle {
namespace {

TEST(Extent, NormalizeSortsMergesAndDropsEmptyOnes) {
  EXPECT_EQ(normalize({{10, 5}, {0, 0}, {0, 4}, {4, 2}, {12, 8}}), (Extents{{0, 6}, {10, 10}}));
}

TEST(Extent, AlignGrowsOutwardsAndStopsAtTheEndOfTheDisk) {
  EXPECT_EQ(align({{5, 1}, {17, 2}}, 8, 20), (Extents{{0, 8}, {16, 4}}));
  EXPECT_EQ(align({{30, 5}}, 8, 20), Extents{});
}

TEST(Extent, UnitesAndIntersects) {
  const Extents a = {{0, 10}, {20, 10}};
  const Extents b = {{5, 20}};
  EXPECT_EQ(unite(a, b), (Extents{{0, 30}}));
  EXPECT_EQ(intersect(a, b), (Extents{{5, 5}, {20, 5}}));
  EXPECT_EQ(total_length(a), 20U);
}

void holds_what_was_written(BlockTarget& disk) {
  SeededRandom random(1);
  const Bytes data = random.bytes(10000);
  ASSERT_TRUE(disk.write_at(65536 - 100, data).ok());
  Bytes read(data.size());
  ASSERT_TRUE(disk.read_at(65536 - 100, read).ok());
  EXPECT_EQ(read, data);
  ASSERT_TRUE(disk.write_zeros(65536, 4096).ok());
  ASSERT_TRUE(disk.read_at(65536, ByteSpan(read).first(4096)).ok());
  EXPECT_TRUE(all_zero(ByteView(read).first(4096)));
  ASSERT_TRUE(disk.flush().ok());
  const Extents extents = disk.data_extents({0, disk.size()}).value();
  EXPECT_EQ(intersect(extents, {{65536 - 100, 100}}), (Extents{{65536 - 100, 100}}))
      << "data is always reported";
}

TEST(MemoryDisk, HoldsWhatWasWritten) {
  MemoryDisk disk(1 * mib);
  holds_what_was_written(disk);
}

TEST(FileDisk, HoldsWhatWasWrittenAndKnowsItsHoles) {
  auto directory = TemporaryDirectory::make().value();
  auto disk = FileDisk::create(directory.path() / "disk", 1 * gib).value();
  holds_what_was_written(*disk);
  EXPECT_LT(total_length(disk->data_extents({0, disk->size()}).value()), 1 * mib);
  EXPECT_EQ(FileDisk::create(directory.path() / "disk", 1).error().code(), ErrorCode::already_exists);
}

TEST(OverlayDisk, HoldsWhatWasWrittenAndLeavesTheBaseAlone) {
  MemoryDisk base(1 * mib);
  OverlayDisk overlay(base, 65536);
  holds_what_was_written(overlay);
  EXPECT_TRUE(all_zero(base.content()));
}

TEST(OverlayDisk, ReportsOnlyBlocksThatDifferFromTheBase) {
  MemoryDisk base(Bytes(300000, std::byte{7}));
  OverlayDisk overlay(base, 65536);
  ASSERT_TRUE(overlay.write_at(0, Bytes(10, std::byte{7})).ok());      // same content
  ASSERT_TRUE(overlay.write_at(299999, Bytes(1, std::byte{8})).ok());  // in the short last block
  const auto changed = overlay.changed_blocks();
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed.begin()->first, 4U);
  EXPECT_EQ(changed.begin()->second.size(), 300000U - 4 * 65536);
  EXPECT_EQ(overlay.bytes_read(), 65536 + (300000U - 4 * 65536));
}

TEST(Extents, SubtractLeavesWhatIsNotInTheOther) {
  const Extents all = {{0, 100}, {200, 50}};
  EXPECT_EQ(subtract(all, {}), all);
  EXPECT_EQ(subtract(all, all), Extents{});
  EXPECT_EQ(subtract(all, {{10, 10}, {90, 120}}), (Extents{{0, 10}, {20, 70}, {210, 40}}));
  EXPECT_EQ(subtract(all, {{0, 1}, {99, 1}, {249, 100}}), (Extents{{1, 98}, {200, 49}}));
}

}  // namespace
}  // namespace rekindle
