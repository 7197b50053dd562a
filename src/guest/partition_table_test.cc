#include "guest/partition_table.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "guest/guest_fixture.h"

namespace rekindle {
namespace {

using guest_fixture::partitioned_disk;

constexpr const char* gpt_layout =
    "label: gpt\nstart=2048, size=4096, type=U, name=ESP\nstart=8192, size=8192, type=L, name=root\n";

TEST(PartitionTable, ReadsAnMbrWithLogicalPartitions) {
  MemoryDisk disk(partitioned_disk(32,
                                   "label: dos\nstart=2048, size=4096, type=83, bootable\nstart=8192, "
                                   "size=20480, type=5\nstart=10240, size=2048, type=82\n"
                                   "start=14336, size=2048, type=83\n",
                                   {}));
  const PartitionTable table = read_partition_table(disk).value();
  EXPECT_EQ(table.scheme, PartitionScheme::mbr);
  ASSERT_EQ(table.partitions.size(), 3U);
  EXPECT_EQ(table.partitions[0].range, (Extent{2048 * 512, 4096 * 512}));
  EXPECT_EQ(table.partitions[1].number, 5);
  EXPECT_EQ(table.partitions[1].range, (Extent{10240 * 512, 2048 * 512}));
  EXPECT_EQ(table.partitions[1].type, "82");
  EXPECT_EQ(table.partitions[2].number, 6);
  EXPECT_FALSE(table.has_boot_code);
}

TEST(PartitionTable, ReadsAGptAndKnowsItsEfiPartition) {
  MemoryDisk disk(partitioned_disk(32, gpt_layout, {}));
  const PartitionTable table = read_partition_table(disk).value();
  EXPECT_EQ(table.scheme, PartitionScheme::gpt);
  ASSERT_EQ(table.partitions.size(), 2U);
  EXPECT_TRUE(table.partitions[0].efi_system);
  EXPECT_EQ(table.partitions[1].range, (Extent{8192 * 512, 8192 * 512}));
  EXPECT_EQ(table.partitions[1].type, "0fc63daf-8483-4772-8e79-3d69d8477de4");
  EXPECT_TRUE(table.warnings.empty());
}

TEST(PartitionTable, UsesTheBackupOfADamagedGptAndSaysSo) {
  for (const std::size_t damaged : {512U + 40U, 1024U + 3U}) {  // the header, the list
    Bytes content = partitioned_disk(32, gpt_layout, {});
    content[damaged] ^= std::byte{1};
    MemoryDisk disk(content);
    const PartitionTable table = read_partition_table(disk).value();
    EXPECT_EQ(table.partitions.size(), 2U);
    ASSERT_EQ(table.warnings.size(), 1U);
    EXPECT_NE(table.warnings[0].find("backup was used"), std::string::npos);
  }
}

TEST(PartitionTable, RefusesAGptWhoseBackupIsDamagedToo) {
  Bytes content = partitioned_disk(32, gpt_layout, {});
  content[512] = std::byte{0};
  content[content.size() - 512] = std::byte{0};
  MemoryDisk disk(content);
  EXPECT_EQ(read_partition_table(disk).error().code(), ErrorCode::corrupt);
}

TEST(PartitionTable, IgnoresAPartitionBehindTheEndOfTheDisk) {
  Bytes content = partitioned_disk(
      32, "label: dos\nstart=2048, size=4096, type=83\nstart=8192, size=4096, type=83\n", {});
  store_le<std::uint32_t>(&content[446 + 16 + 12], 0xFFFFFFFF);
  MemoryDisk disk(content);
  const PartitionTable table = read_partition_table(disk).value();
  EXPECT_EQ(table.partitions.size(), 1U);
  EXPECT_EQ(table.warnings.size(), 1U);
}

TEST(PartitionTable, EndsAListOfLogicalPartitionsThatIsALoop) {
  Bytes content = partitioned_disk(
      32, "label: dos\nstart=2048, size=40960, type=5\nstart=4096, size=2048, type=83\n", {});
  const std::size_t second_entry = 2048UL * 512 + 446 + 16;
  content[second_entry + 4] = std::byte{5};
  store_le<std::uint32_t>(&content[second_entry + 8], 0);  // the next table is this one
  store_le<std::uint32_t>(&content[second_entry + 12], 2048);
  MemoryDisk disk(content);
  const PartitionTable table = read_partition_table(disk).value();
  ASSERT_FALSE(table.warnings.empty());
  EXPECT_EQ(table.warnings.back(), "the list of logical partitions has no end");
}

TEST(PartitionTable, TakesADiskWithoutATableAsOneVolume) {
  MemoryDisk disk(1 * mib);
  const PartitionTable table = read_partition_table(disk).value();
  ASSERT_EQ(table.partitions.size(), 1U);
  EXPECT_EQ(table.partitions[0].number, 0);
  EXPECT_EQ(table.partitions[0].range, (Extent{0, 1 * mib}));
}

TEST(PartitionTable, NeverReturnsARangeOutsideTheDisk) {
  const Bytes sound[] = {
      partitioned_disk(8, "label: gpt\nstart=2048, size=4096, type=L\n", {}),
      partitioned_disk(8, "label: dos\nstart=2048, size=8192, type=5\nstart=4096, size=2048, type=83\n", {})};
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    Bytes content = sound[seed % 2];
    guest_fixture::damage(content, {0, 2048}, random);
    guest_fixture::damage(content, {mib, 1024}, random);
    content[510] = std::byte{0x55};
    content[511] = std::byte{0xAA};
    MemoryDisk disk(std::move(content));
    const auto table = read_partition_table(disk);
    if (!table.ok()) continue;
    for (const Partition& partition : table->partitions) {
      EXPECT_LE(partition.range.end(), disk.size()) << "seed " << seed;
      EXPECT_GE(partition.range.end(), partition.range.offset) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace rekindle
