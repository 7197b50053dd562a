#include "disk/spliced_disk.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "disk/memory_disk.h"

namespace rekindle {
namespace {

Bytes random_bytes(std::size_t length, Random& random) {
  Bytes bytes(length);
  random.fill(bytes);
  return bytes;
}

TEST(SplicedDisk, IsTheOtherInTheAreasAndTheBaseElsewhere) {
  SystemRandom random;
  const Bytes base = random_bytes(256 * kib, random);
  const Bytes other = random_bytes(512 * kib, random);  // EBS rounds up
  const Extents areas = {{0, 64 * kib}, {100 * kib, 8 * kib}, {250 * kib, 100 * kib}};
  Bytes expected = base;
  for (const Extent& area : intersect(areas, {{0, base.size()}})) {
    std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(area.offset), area.length,
                expected.begin() + static_cast<std::ptrdiff_t>(area.offset));
  }
  SplicedDisk disk(std::make_unique<MemoryDisk>(base), std::make_unique<MemoryDisk>(other), areas);
  ASSERT_EQ(disk.size(), base.size());
  for (int turn = 0; turn < 200; ++turn) {
    const std::uint64_t offset = random.below(base.size());
    Bytes piece(1 + random.below(base.size() - offset));
    ASSERT_TRUE(disk.read_at(offset, piece).ok());
    ASSERT_TRUE(
        std::equal(piece.begin(), piece.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
  EXPECT_GT(disk.bytes_of_other(), 0U);
}

TEST(SplicedDisk, KnowsTheDataOfBoth) {
  auto base = std::make_unique<MemoryDisk>(Bytes(1 * mib));
  auto other = std::make_unique<MemoryDisk>(Bytes(1 * mib));
  ASSERT_TRUE(base->write_at(0, Bytes(128 * kib, std::byte{1})).ok());
  ASSERT_TRUE(other->write_at(512 * kib, Bytes(64 * kib, std::byte{2})).ok());
  SplicedDisk disk(std::move(base), std::move(other), {{64 * kib, 64 * kib}, {512 * kib, 128 * kib}});
  const Extents data = disk.data_extents({0, 1 * mib}).value();
  // What was data in the base and is a hole in the other is a hole now.
  EXPECT_EQ(data, (Extents{{0, 64 * kib}, {512 * kib, 64 * kib}}));
}

// What lists its data reads, in a vault, what may be damaged.
class MuteDisk final : public BlockSource {
 public:
  std::uint64_t size() const override { return 1 * mib; }
  Result<> read_at(std::uint64_t, ByteSpan) override { return error(ErrorCode::corrupt, "not asked for"); }
  Result<Extents> data_extents(Extent) override { return error(ErrorCode::corrupt, "not asked for"); }
};

TEST(SplicedDisk, DoesNotAskTheBaseForWhatIsOfTheOther) {
  SplicedDisk disk(std::make_unique<MuteDisk>(), std::make_unique<MemoryDisk>(Bytes(1 * mib, std::byte{1})),
                   {{64 * kib, 64 * kib}});
  Bytes piece(64 * kib);
  EXPECT_TRUE(disk.read_at(64 * kib, piece).ok());
  EXPECT_TRUE(disk.data_extents({64 * kib, 64 * kib}).ok());
  EXPECT_FALSE(disk.data_extents({0, 128 * kib}).ok());
}

}  // namespace
}  // namespace rekindle
