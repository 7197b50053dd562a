#include "disk/patched_disk.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "disk/memory_disk.h"

namespace rekindle {
namespace {

constexpr std::uint64_t block = 4096;

TEST(PatchedDisk, ReadsWhatWasPutOverTheBase) {
  SeededRandom random(7);
  const Bytes base = random.bytes(10 * block + 100);
  const PatchedDisk::Blocks blocks = {{0, random.bytes(block)},
                                      {3, random.bytes(block)},
                                      {4, random.bytes(block)},
                                      {10, random.bytes(block)}};
  Bytes wanted = base;
  for (const auto& [index, content] : blocks) {
    const std::size_t length = std::min<std::size_t>(block, wanted.size() - index * block);
    copy_bytes(ByteView(content).first(length), ByteSpan(wanted).subspan(index * block));
  }
  MemoryDisk disk(base);
  PatchedDisk patched(disk, blocks, block);
  for (int i = 0; i < 500; ++i) {
    const std::uint64_t offset = random.below(base.size());
    Bytes read(random.below(base.size() - offset) + 1);
    ASSERT_TRUE(patched.read_at(offset, read).ok());
    ASSERT_TRUE(std::equal(read.begin(), read.end(), wanted.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
}

TEST(PatchedDisk, HasDataWhereTheBaseHasNoneButABlockWasPut) {
  class Zeros final : public BlockSource {
   public:
    std::uint64_t size() const override { return 10 * block; }
    Result<> read_at(std::uint64_t, ByteSpan bytes) override {
      std::fill(bytes.begin(), bytes.end(), std::byte{0});
      return {};
    }
    Result<Extents> data_extents(Extent) override { return Extents(); }
  };
  Zeros zeros;
  const PatchedDisk::Blocks blocks = {{2, Bytes(block)}, {7, Bytes(block)}};
  PatchedDisk patched(zeros, blocks, block);
  EXPECT_EQ(patched.data_extents({0, 10 * block}).value(), (Extents{{2 * block, block}, {7 * block, block}}));
  EXPECT_EQ(patched.data_extents({0, 5 * block}).value(), (Extents{{2 * block, block}}));
}

}  // namespace
}  // namespace rekindle
