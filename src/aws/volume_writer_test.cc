#include "aws/volume_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/parallel.h"
#include "base/random.h"

namespace rekindle {
namespace {

struct SeenWrites {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint64_t, Bytes> blocks;  // by offset
  std::size_t now = 0, most_at_once = 0;
  std::size_t wait_for = 1;  // a write ends when so many were under way at once, or after a while
  bool aligned = true;
  int flushes = 0;
};

// A device of four GiB that keeps what it is given.
class SeeingTarget final : public BlockTarget {
 public:
  explicit SeeingTarget(SeenWrites& seen) : seen_(seen) {}

  std::uint64_t size() const override { return 4 * gib; }
  Result<> read_at(std::uint64_t, ByteSpan) override { return error(ErrorCode::internal, "is only written"); }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override {
    std::unique_lock lock(seen_.mutex);
    seen_.most_at_once = std::max(seen_.most_at_once, ++seen_.now);
    seen_.changed.notify_all();
    seen_.changed.wait_for(lock, std::chrono::seconds(5),
                           [&] { return seen_.most_at_once >= seen_.wait_for; });
    --seen_.now;
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    seen_.aligned = seen_.aligned && (address | offset | bytes.size()) % page_bytes == 0;
    if (offset == refused_at) return error(ErrorCode::unavailable, "the device does not answer");
    seen_.blocks[offset] = to_bytes(bytes);
    return {};
  }
  Result<> flush() override {
    ++seen_.flushes;
    return {};
  }

  static constexpr std::uint64_t refused_at = 99 * image_block_bytes;

 private:
  SeenWrites& seen_;
};

class VolumeWriterTest : public testing::Test {
 protected:
  SeenWrites seen;
  VolumeWriter writer{std::make_unique<SeeingTarget>(seen)};
  SeededRandom random{3};
};

TEST_F(VolumeWriterTest, WritesWholeBlocksFromMemoryThatDirectWritesTake) {
  const Bytes room = random.bytes(image_block_bytes + 1);
  const ByteView content = ByteView(room).subspan(1);  // in the middle of a page
  ASSERT_TRUE(writer.put_block(7, content).ok());
  EXPECT_TRUE(seen.aligned);
  ASSERT_EQ(seen.blocks.size(), 1U);
  EXPECT_EQ(seen.blocks.at(7 * image_block_bytes), to_bytes(content));
}

TEST_F(VolumeWriterTest, HasAsManyWritesUnderWayAsPuts) {
  EXPECT_GE(writer.puts_in_flight(), 16U);
  seen.wait_for = writer.puts_in_flight();
  const std::size_t blocks = 3 * writer.puts_in_flight();
  std::vector<Bytes> contents;
  for (std::size_t i = 0; i < blocks; ++i) contents.push_back(random.bytes(image_block_bytes));
  ASSERT_TRUE(parallel_for(blocks, writer.puts_in_flight(), {}, [&](std::size_t i) {
                return writer.put_block(i, contents[i]);
              }).ok());
  EXPECT_EQ(seen.most_at_once, writer.puts_in_flight());
  EXPECT_TRUE(seen.aligned);
  for (std::size_t i = 0; i < blocks; ++i)
    EXPECT_TRUE(seen.blocks.at(i * image_block_bytes) == contents[i]) << i;
}

TEST_F(VolumeWriterTest, FlushesBeforeItSaysThatAllIsThere) {
  ASSERT_TRUE(writer.put_block(0, Bytes(image_block_bytes)).ok());
  EXPECT_EQ(seen.flushes, 0);
  ASSERT_TRUE(writer.complete().ok());
  EXPECT_EQ(seen.flushes, 1);
}

TEST_F(VolumeWriterTest, RefusesWhatDoesNotFitAndTellsWhatTheDeviceSays) {
  const Bytes block(image_block_bytes);
  EXPECT_EQ(writer.put_block(4 * gib / image_block_bytes, block).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(writer.put_block(~std::uint64_t{0}, block).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(writer.put_block(0, Bytes(page_bytes)).error().code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(seen.blocks.empty());
  EXPECT_EQ(writer.put_block(99, block).error().code(), ErrorCode::unavailable);
  ASSERT_TRUE(writer.put_block(98, block).ok()) << "the next one finds its memory";
}

}  // namespace
}  // namespace rekindle
