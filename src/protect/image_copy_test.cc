#include "protect/image_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <latch>
#include <map>
#include <mutex>

#include "base/random.h"
#include "crypto/hash.h"
#include "disk/memory_disk.h"

namespace rekindle {
namespace {

// Keeps what it is given.
class KeepingWriter final : public ImageWriter {
 public:
  Result<> put_block(std::uint64_t index, ByteView content) override {
    if (wait_before) wait_before(index);
    const std::lock_guard lock(mutex);
    if (index == refused) return error(ErrorCode::unavailable, "connection reset");
    puts[index] = to_bytes(content);
    return {};
  }
  Result<> put_digested(const BlockDigest& block, ByteView content) override {
    EXPECT_EQ(block.sha256, needs ? sha256(content) : Sha256{});
    return put_block(block.index, content);
  }
  bool needs_digests() const override { return needs; }
  std::size_t puts_in_flight() const override { return in_flight; }
  void stop_with(std::stop_token token) override { stop = std::move(token); }
  void resume_from(const std::vector<BlockDigest>& already_put) override { told = already_put; }
  Result<> complete(std::stop_token) override { return {}; }

  std::mutex mutex;
  std::map<std::uint64_t, Bytes> puts;
  std::vector<BlockDigest> told;
  std::uint64_t refused = ~std::uint64_t{0};
  std::size_t in_flight = 16;
  bool needs = true;
  std::function<void(std::uint64_t index)> wait_before;
  std::stop_token stop;
};

class ImageCopy : public testing::Test {
 protected:
  Result<> put(std::size_t done = 0) {
    return put_blocks(disk, blocks, done, writer, progress, {}, [&](std::size_t count) -> Result<> {
      checkpoints.push_back(count);
      return {};
    });
  }

  // Two blocks and a half.
  SeededRandom random{7};
  MemoryDisk disk{random.bytes(5 * image_block_bytes / 2)};
  std::vector<std::uint64_t> blocks = {0, 1, 2};
  KeepingWriter writer;
  Progress progress;
  std::vector<std::size_t> checkpoints;
};

TEST_F(ImageCopy, PutsWholeBlocksAndZerosBeyondTheEnd) {
  writer.in_flight = 1;  // the room of the last block held the one before it
  ASSERT_TRUE(put().ok());
  ASSERT_EQ(writer.puts.size(), 3U);
  EXPECT_EQ(writer.puts[1], to_bytes(ByteView(disk.content()).subspan(image_block_bytes, image_block_bytes)));
  EXPECT_TRUE(all_zero(ByteView(writer.puts[2]).subspan(image_block_bytes / 2)));
  EXPECT_EQ(checkpoints, std::vector<std::size_t>{3});
  EXPECT_EQ(progress.bytes_done, 3 * image_block_bytes);
}

TEST_F(ImageCopy, PutsNothingTwiceButProvesAll) {
  ASSERT_TRUE(put(2).ok());
  EXPECT_EQ(writer.puts.size(), 1U);
  EXPECT_EQ(writer.puts.count(2), 1U);
  ASSERT_EQ(writer.told.size(), 2U);
  EXPECT_EQ(writer.told[1].index, 1U);
  EXPECT_EQ(writer.told[1].sha256, sha256(read_block(disk, 1).value()));
}

TEST_F(ImageCopy, DigestsNothingForAWriterThatNeedsNone) {
  writer.needs = false;
  ASSERT_TRUE(put(2).ok());
  EXPECT_EQ(writer.puts.size(), 1U);
  EXPECT_TRUE(writer.told.empty());
}

TEST_F(ImageCopy, MakesNoCheckpointOfAWindowThatFailed) {
  writer.refused = 1;
  EXPECT_EQ(put().error().message(), "block 1: connection reset");
  EXPECT_TRUE(checkpoints.empty());
}

// 300 blocks, the first of which arrives last.
TEST_F(ImageCopy, ChecksOnlyThatBeforeWhichNothingIsMissing) {
  MemoryDisk large(Bytes(300 * image_block_bytes));
  blocks.clear();
  for (std::uint64_t i = 0; i < 300; ++i) blocks.push_back(i);
  std::latch others(299);
  writer.in_flight = 4;
  writer.wait_before = [&](std::uint64_t index) {
    if (index == 0) {
      others.wait();
    } else {
      others.count_down();
    }
  };
  ASSERT_TRUE(put_blocks(large, blocks, 0, writer, progress, {}, [&](std::size_t count) -> Result<> {
                const std::lock_guard lock(writer.mutex);
                EXPECT_TRUE(writer.puts.contains(0));
                for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(writer.puts.contains(i)) << i;
                checkpoints.push_back(count);
                return {};
              }).ok());
  ASSERT_FALSE(checkpoints.empty());
  EXPECT_EQ(checkpoints.back(), 300U);
  EXPECT_TRUE(std::is_sorted(checkpoints.begin(), checkpoints.end()));
}

TEST_F(ImageCopy, HasAsManyPutsInFlightAsTheWriterWants) {
  MemoryDisk large(Bytes(40 * image_block_bytes));
  blocks.clear();
  for (std::uint64_t i = 0; i < 40; ++i) blocks.push_back(i);
  writer.in_flight = 40;
  std::latch all(40);
  writer.wait_before = [&](std::uint64_t) { all.arrive_and_wait(); };  // for ever, were there fewer
  ASSERT_TRUE(
      put_blocks(large, blocks, 0, writer, progress, {}, [](std::size_t) -> Result<> { return {}; }).ok());
  EXPECT_EQ(writer.puts.size(), 40U);
}

TEST_F(ImageCopy, TellsTheWriterWhatStopsItsPuts) {
  std::stop_source stop;
  ASSERT_TRUE(put_blocks(disk, blocks, 0, writer, progress, stop.get_token(), [](std::size_t) -> Result<> {
                return {};
              }).ok());
  stop.request_stop();
  EXPECT_TRUE(writer.stop.stop_requested());
}

TEST_F(ImageCopy, FindsNoneWhereAllIsWhatItWas) {
  Bytes stored = disk.content();
  stored.resize(3 * image_block_bytes);
  MemoryDisk image(stored);
  EXPECT_TRUE(differing_blocks(disk, image, blocks, progress, {})->empty());
}

TEST_F(ImageCopy, FindsAllBlocksThatDiffer) {
  Bytes stored = disk.content();
  stored.resize(3 * image_block_bytes);
  stored[7] ^= std::byte{1};
  stored[3 * image_block_bytes - 1] = std::byte{1};  // beyond the disk's end
  MemoryDisk image(stored);
  EXPECT_EQ(differing_blocks(disk, image, blocks, progress, {}).value(), (std::vector<std::uint64_t>{0, 2}));
  EXPECT_EQ(progress.bytes_done, 3 * image_block_bytes);
  EXPECT_TRUE(differing_blocks(disk, image, {1}, progress, {})->empty());
}

TEST_F(ImageCopy, FindsWhatIsNotAsRecorded) {
  std::vector<ConvertedBlock> record;
  for (const std::uint64_t index : blocks)
    record.push_back({index, to_hex(sha256(read_block(disk, index).value()))});
  EXPECT_TRUE(differing_from_record(disk, record, progress, {})->empty());
  record[1].sha256 = record[0].sha256;
  EXPECT_EQ(differing_from_record(disk, record, progress, {}).value(), std::vector<std::uint64_t>{1});
}

TEST(BlocksOf, NamesEachBlockOnce) {
  EXPECT_EQ(
      blocks_of({{0, 10}, {20, 10}, {image_block_bytes - 1, 2}, {4 * image_block_bytes, image_block_bytes}}),
      (std::vector<std::uint64_t>{0, 1, 4}));
}

}  // namespace
}  // namespace rekindle
