#include "guest/journal_replay.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "guest/ext4_superblock.h"
#include "guest/guest_fixture.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;

constexpr std::uint64_t block_bytes = 4096;

struct Flavour {
  std::string name;
  std::string features;  // of mke2fs -O
  std::string checksum;  // of debugfs journal_open
};

const Flavour flavours[] = {{"v3", "64bit,metadata_csum", "jo -c -v 3"},
                            {"v2", "64bit,metadata_csum", "jo -c -v 2"},
                            {"v2narrow", "^64bit,metadata_csum", "jo -c -v 2"},
                            {"plain", "^64bit,^metadata_csum", "jo"},
                            {"plain64", "64bit,^metadata_csum", "jo"}};

// A file system whose journal holds transactions that are not home yet. Block 3000 is written three times;
// 3001 is revoked after it was written, 3002 is written again after it was revoked; 3003 begins like a
// journal block and has to be escaped; 3004 is in a transaction that was never committed.
std::filesystem::path dirty_image(const Flavour& flavour) {
  const Bytes clean = fx::ext4_image({{"/hello", "world"}}, 16, {"-b", "4096", "-O", flavour.features});
  const auto image = fx::store(clean);
  SeededRandom random(7);
  Bytes escaped = random.bytes(block_bytes);
  store_be<std::uint32_t>(escaped.data(), 0xC03B3998);
  const auto block = [&](const Bytes& content) { return fx::store(content).string(); };
  const auto fresh_block = [&] { return block(random.bytes(block_bytes)); };
  fx::debugfs(image, {flavour.checksum, "jw -b 3000 " + fresh_block(),                               //
                      "jw -b 3000,3001,3002 " + block(random.bytes(3 * block_bytes)),                //
                      "jw -r 3001,3002", "jw -b 3002,3000 " + block(random.bytes(2 * block_bytes)),  //
                      "jw -b 3003 " + block(escaped), "jw -c -b 3004 " + fresh_block(), "jc"});
  return image;
}

Bytes replayed_by_e2fsck(const std::filesystem::path& image) {
  const auto copy = fx::store(read_file(image).value());
  const auto output = run_process({"e2fsck", "-E", "journal_only", "-y", copy.string()}).value();
  EXPECT_LE(output.exit_status, 1) << output.out;
  return read_file(copy).value();
}

// The superblock has times and counters that depend on who wrote it.
void forget_superblock(Bytes& content) {
  std::fill_n(content.begin() + 1024, 1024, std::byte{0});
}

TEST(JournalReplay, DoesByteForByteWhatE2fsckDoes) {
  for (const Flavour& flavour : flavours) {
    SCOPED_TRACE(flavour.name);
    const auto image = dirty_image(flavour);
    MemoryDisk disk(read_file(image).value());
    ASSERT_TRUE(Ext4Superblock::read(disk)->needs_recovery());
    const auto replay = replay_journal(disk);
    ASSERT_TRUE(replay.ok()) << replay.error().message();
    EXPECT_EQ(replay->transactions, 5U);
    EXPECT_EQ(replay->blocks_revoked, 2U);
    EXPECT_EQ(replay->blocks_written, 5U);
    EXPECT_FALSE(Ext4Superblock::read(disk)->needs_recovery());
    Bytes ours = disk.content();
    fx::expect_clean(ours);
    Bytes theirs = replayed_by_e2fsck(image);
    forget_superblock(ours);
    forget_superblock(theirs);
    EXPECT_TRUE(ours == theirs);
  }
}

TEST(JournalReplay, LeavesACleanFileSystemAsItIs) {
  const Bytes clean = fx::ext4_image({}, 16);
  MemoryDisk disk(clean);
  EXPECT_EQ(replay_journal(disk).value().transactions, 0U);
  EXPECT_TRUE(disk.content() == clean);
}

TEST(JournalReplay, DoesNothingTheSecondTime) {
  MemoryDisk disk(read_file(dirty_image(flavours[0])).value());
  ASSERT_TRUE(replay_journal(disk).ok());
  const Bytes once = disk.content();
  EXPECT_EQ(replay_journal(disk).value().transactions, 0U);
  EXPECT_TRUE(disk.content() == once);
}

// Where the magic number of a journal block of this kind begins, after `from`.
std::size_t find_journal_block(const Bytes& content, std::uint32_t kind, std::size_t from) {
  for (std::size_t at = from; at + block_bytes <= content.size(); at += block_bytes) {
    if (load_be<std::uint32_t>(&content[at]) == 0xC03B3998 &&
        load_be<std::uint32_t>(&content[at + 4]) == kind)
      return at;
  }
  ADD_FAILURE() << "no journal block of kind " << kind;
  return 0;
}

TEST(JournalReplay, RefusesDataWithAWrongChecksumAndKeepsTheJournal) {
  Bytes content = read_file(dirty_image(flavours[0])).value();
  const std::size_t descriptor = find_journal_block(content, 1, 0);
  content[descriptor + block_bytes + 17] ^= std::byte{1};
  MemoryDisk disk(content);
  const auto replay = replay_journal(disk);
  ASSERT_FALSE(replay.ok());
  EXPECT_EQ(replay.error().code(), ErrorCode::corrupt);
  EXPECT_TRUE(Ext4Superblock::read(disk)->needs_recovery());
}

TEST(JournalReplay, RefusesACommitWithAWrongChecksum) {
  Bytes content = read_file(dirty_image(flavours[0])).value();
  const std::size_t commit = find_journal_block(content, 2, 0);
  content[commit + 16] ^= std::byte{1};
  MemoryDisk disk(content);
  EXPECT_EQ(replay_journal(disk).error().code(), ErrorCode::corrupt);
  EXPECT_TRUE(disk.content() == content) << "nothing is written before the whole log was read";
}

TEST(JournalReplay, RefusesToWriteOutsideTheVolume) {
  Bytes content = read_file(dirty_image(flavours[3])).value();  // without checksums anything can be forged
  const std::size_t descriptor = find_journal_block(content, 1, 0);
  store_be<std::uint32_t>(&content[descriptor + 12], 0x7FFFFFFF);
  MemoryDisk disk(content);
  const auto replay = replay_journal(disk);
  ASSERT_FALSE(replay.ok());
  EXPECT_NE(replay.error().message().find("block 2147483647, which does not exist"), std::string::npos);
}

TEST(JournalReplay, RefusesFastCommitsAndSaysWhatToDo) {
  Bytes content = read_file(dirty_image(flavours[3])).value();
  const std::size_t superblock = find_journal_block(content, 4, 0);
  const auto features = load_be<std::uint32_t>(&content[superblock + 40]);
  store_be<std::uint32_t>(&content[superblock + 40], features | 0x20);
  MemoryDisk disk(content);
  const auto replay = replay_journal(disk);
  ASSERT_FALSE(replay.ok());
  EXPECT_EQ(replay.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(replay.error().message().find("tune2fs -O ^fast_commit"), std::string::npos);
}

TEST(JournalReplay, SurvivesAnyDamage) {
  const Bytes sound[] = {read_file(dirty_image(flavours[0])).value(),
                         read_file(dirty_image(flavours[3])).value()};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    Bytes content = sound[seed % 2];
    const std::size_t journal = find_journal_block(content, 4, 0);
    if (seed % 3 == 0) fx::damage(content, {journal, 96}, random);
    fx::damage(content, {journal + block_bytes, 4 * block_bytes}, random);
    if (seed % 5 == 0) fx::damage(content, {1024, 512}, random);
    MemoryDisk disk(std::move(content));
    const auto replay = replay_journal(disk);
    EXPECT_TRUE(replay.ok() || !replay.error().message().empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rekindle
