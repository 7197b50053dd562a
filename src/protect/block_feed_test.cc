#include "protect/block_feed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <thread>

#include "base/random.h"
#include "disk/memory_disk.h"
#include "protect/image_copy.h"

namespace rekindle {
namespace {

// Looks at each read, and may refuse it.
class WatchedDisk final : public BlockSource {
 public:
  explicit WatchedDisk(Bytes content) : disk_(std::move(content)) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    if (before) TRY(before(offset / image_block_bytes));
    return disk_.read_at(offset, bytes);
  }

  std::function<Result<>(std::uint64_t block)> before;

 private:
  MemoryDisk disk_;
};

class BlockFeedTest : public testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t i = 0; i < 70; ++i) blocks.push_back(2 * i);
  }
  // What each of so many threads is told last.
  std::vector<Result<>> take_all(BlockFeed& feed, std::size_t threads) {
    std::vector<Result<>> last(threads);
    std::vector<std::jthread> running;
    for (Result<>& mine : last) {
      running.emplace_back([&] {
        while (true) {
          auto block = feed.next();
          if (!block.ok()) mine = block.error();
          if (!block.ok() || !*block) return;
          check(**block);
          feed.give_back(**std::move(block));
        }
      });
    }
    running.clear();
    return last;
  }
  void check(const FedBlock& block) {
    ++given;
    const Bytes there = read_block(plain, blocks[block.position]).value();
    const bool same = std::ranges::equal(block.content.view(), there) && block.digest == sha256(there);
    wrong += same ? 0 : 1;
  }

  Bytes content = SeededRandom(3).bytes(140 * image_block_bytes);
  MemoryDisk plain{content};
  WatchedDisk disk{content};
  std::vector<std::uint64_t> blocks;
  std::atomic<std::size_t> given{0}, wrong{0};
};

TEST_F(BlockFeedTest, GivesTheBlocksInRisingOrder) {
  BlockFeed feed(disk, blocks, 5, true);
  for (std::size_t position = 5; position < blocks.size(); ++position) {
    auto block = feed.next();
    ASSERT_TRUE(block.ok() && *block);
    EXPECT_EQ((*block)->position, position);
    check(**block);
    feed.give_back(**std::move(block));
  }
  EXPECT_EQ(wrong, 0U);
  const auto end = feed.next();
  EXPECT_TRUE(end.ok() && !*end);
}

TEST_F(BlockFeedTest, GivesEachOnceToManyThreads) {
  BlockFeed feed(disk, blocks, 0, true);
  for (const auto& last : take_all(feed, 32)) EXPECT_TRUE(last.ok());
  EXPECT_EQ(given, blocks.size());
  EXPECT_EQ(wrong, 0U);
}

TEST_F(BlockFeedTest, ReadsFewSideBySide) {
  blocks.resize(8);
  std::latch all(8);
  disk.before = [&](std::uint64_t) -> Result<> {
    all.arrive_and_wait();  // for ever, did one wait for another
    return {};
  };
  BlockFeed feed(disk, blocks, 0, true);
  for (const auto& last : take_all(feed, 8)) EXPECT_TRUE(last.ok());
  EXPECT_EQ(given, 8U);
}

TEST_F(BlockFeedTest, EndsWhereOneCannotBeRead) {
  disk.before = [&](std::uint64_t block) -> Result<> {
    if (block == 60) return error(ErrorCode::corrupt, "a pack is damaged");
    return {};
  };
  BlockFeed feed(disk, blocks, 0, true);
  std::size_t failed = 0;
  for (const auto& last : take_all(feed, 8)) {
    failed += last.ok() ? 0 : 1;
    EXPECT_EQ(last.ok() ? "a pack is damaged" : last.error().message(), "a pack is damaged");
  }
  EXPECT_EQ(failed, 1U);
  EXPECT_LT(given, blocks.size());
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace rekindle
