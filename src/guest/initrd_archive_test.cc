#include "guest/initrd_archive.h"

#include <gtest/gtest.h>

#include "guest/guest_fixture.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;

const ModuleFiles files = {{"modules.dep", to_bytes(as_bytes("kernel/nvme/nvme.ko:\n"))},
                           {"kernel/nvme/nvme.ko", Bytes(100'003, std::byte{7})}};

std::string listed_by_cpio(ByteView archive) {
  const auto output = run_process({"sh", "-c", "cpio -itv --quiet < " + fx::store(archive).string()}).value();
  EXPECT_EQ(output.exit_status, 0) << output.err;
  return output.out;
}

TEST(InitrdArchive, IsReadByCpioAndHasNoEntryThatReplacesALink) {
  const Bytes archive = make_initrd_archive("6.1", files, ArchiveCompression::none, 0).value();
  const std::string list = listed_by_cpio(archive);
  EXPECT_NE(list.find("100003 Jan  1  1970 lib/modules/6.1/kernel/nvme/nvme.ko\n"), std::string::npos)
      << list;
  EXPECT_NE(list.find("drwxr-xr-x"), std::string::npos);
  EXPECT_NE(list.find(" lib/modules/6.1/kernel/nvme\n"), std::string::npos) << list;
  EXPECT_EQ(list.find(" lib\n"), std::string::npos) << list;
}

TEST(InitrdArchive, IsCompressedWhereTheKernelCan) {
  const Bytes archive = make_initrd_archive("6.1", files, ArchiveCompression::zstd, 3).value();
  EXPECT_EQ(archive[0], std::byte{0}) << "padding to a multiple of 4";
  EXPECT_EQ(load_le<std::uint32_t>(&archive[1]), 0xFD2FB528U) << "zstd's magic number";
  const auto packed = fx::store(ByteView(archive).subspan(1, archive.size() - 1 - initrd_mark_bytes));
  const auto plain =
      run_process({"sh", "-c", "zstd -dcq " + packed.string() + " 2>/dev/null | cpio -it --quiet"}).value();
  EXPECT_NE(plain.out.find("lib/modules/6.1/kernel/nvme/nvme.ko\n"), std::string::npos) << plain.out;
}

TEST(InitrdArchive, StartsAndMarksOnAMultipleOfFour) {
  for (std::uint64_t original = 1000; original < 1004; ++original) {
    for (const auto compression : {ArchiveCompression::zstd, ArchiveCompression::none}) {
      const Bytes archive = make_initrd_archive("6.1", files, compression, original).value();
      EXPECT_EQ((original + archive.size()) % 4, 0U);
      const ByteView mark = ByteView(archive).last(initrd_mark_bytes);
      EXPECT_EQ(as_text(mark.first(6)), "070701");
      EXPECT_EQ(read_initrd_mark("6.1", mark), original);
    }
  }
}

TEST(InitrdArchive, TakesNothingElseForItsMark) {
  const Bytes archive = make_initrd_archive("6.1", files, ArchiveCompression::none, 5).value();
  Bytes mark = to_bytes(ByteView(archive).last(initrd_mark_bytes));
  EXPECT_FALSE(read_initrd_mark("6.2", mark)) << "of another kernel";
  EXPECT_FALSE(read_initrd_mark("6.1", ByteView(mark).first(500)));
  mark[3] ^= std::byte{1};
  EXPECT_FALSE(read_initrd_mark("6.1", mark));
  EXPECT_FALSE(read_initrd_mark("6.1", Bytes(initrd_mark_bytes)));
}

TEST(InitrdArchive, RefusesAKernelNameThatDoesNotFit) {
  EXPECT_EQ(make_initrd_archive(std::string(2000, 'k'), {}, ArchiveCompression::none, 0).error().code(),
            ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace rekindle
