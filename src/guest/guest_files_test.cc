#include "guest/guest_files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "disk/scratch_disk.h"
#include "guest/guest_fixture.h"

namespace rekindle {
namespace {

using namespace guest_fixture;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names(const std::vector<FileInfo>& infos) {
  std::vector<std::string> found;
  for (const FileInfo& info : infos) found.push_back(info.name);
  return found;
}

const Files tree = {{"/etc/fstab", "what is mounted"},
                    {"/etc/deep/er/still", "here"},
                    {"/etc/climbs", "-> ../../../etc/passwd"},
                    {"/etc/absolute", "-> /etc/shadow"},
                    {"/etc/inside", "-> deep/er/still"},
                    {"/etc/deep/up", "-> ../fstab"},
                    {"/etc/deep/sneaky", "-> er/../../../../x"},
                    {"/etc/long", "-> " + std::string(200, 'l')},
                    {"/srv/empty", "/"}};

TEST(GuestFiles, ListsAFolderWithLinksAsLinks) {
  MemoryDisk disk(ext4_image(tree, 16));
  auto files = GuestFiles::open(disk, "").value();
  EXPECT_THAT(names(files.list("/").value()), ElementsAre("etc", "lost+found", "srv"));
  const auto etc = files.list("/etc").value();
  EXPECT_THAT(names(etc), ElementsAre("absolute", "climbs", "deep", "fstab", "inside", "long"));
  EXPECT_EQ(etc[0].kind, FileKind::symbolic_link);
  EXPECT_EQ(etc[0].target, "/etc/shadow");
  EXPECT_EQ(etc[2].kind, FileKind::directory);
  EXPECT_EQ(etc[3].kind, FileKind::file);
  EXPECT_EQ(etc[3].size_bytes, 15U);
  EXPECT_EQ(etc[3].mode, 0644U);
  EXPECT_EQ(etc[5].target, std::string(200, 'l'));
  EXPECT_THAT(names(files.list("/etc/fstab").value()), ElementsAre("fstab"));
  EXPECT_EQ(files.list("/nowhere").error().code(), ErrorCode::not_found);
}

TEST(GuestFiles, FetchesAFolderAndOfLinksOnlyThoseThatStayInside) {
  MemoryDisk disk(ext4_image(tree, 16));
  auto files = GuestFiles::open(disk, "").value();
  const auto to = fresh("fetched");
  const auto fetched = files.fetch("/etc", to).value();
  EXPECT_EQ(fetched.files, 2U);
  EXPECT_EQ(read_text_file(to / "fstab").value(), "what is mounted");
  EXPECT_EQ(read_text_file(to / "deep/er/still").value(), "here");
  EXPECT_EQ(std::filesystem::read_symlink(to / "inside"), "deep/er/still");
  EXPECT_EQ(std::filesystem::read_symlink(to / "deep/up"), "../fstab");
  for (const char* outside : {"climbs", "absolute", "deep/sneaky"})
    EXPECT_FALSE(std::filesystem::is_symlink(to / outside)) << outside;
  EXPECT_EQ(fetched.left_out.size(), 3U);
  EXPECT_EQ(files.fetch("/etc", to).error().code(), ErrorCode::already_exists);
  const auto one = fresh("fetched");
  EXPECT_EQ(files.fetch("/etc/inside", one).value().left_out.size(), 1U) << "a link alone leads nowhere";
  EXPECT_TRUE(files.fetch("/etc/fstab", one).ok());
  EXPECT_EQ(read_text_file(one).value(), "what is mounted");
}

TEST(GuestFiles, NeverWritesThroughALinkThatTheGuestPutInItsWay) {
  // The file system says the same name twice: first as a link that leads out, then as a folder.
  Bytes image = ext4_image({{"/top/aa", "-> bb"}, {"/top/ab/passwd", "evil"}}, 16);
  // The directory entry of "ab": name length 2, type 2 (directory), then the name.
  const std::size_t at = as_text(image).find(
      "\x02\x02"
      "ab");
  ASSERT_NE(at, std::string::npos);
  image[at + 3] = std::byte{'a'};
  const auto path = store(image);
  // The directory's checksum is wrong now, as it would not be if the guest had done it.
  tool({"sh", "-c", "tune2fs -O ^metadata_csum " + path.string() + " >/dev/null 2>&1 || true"});
  MemoryDisk disk(read_file(path).value());
  auto files = GuestFiles::open(disk, "");
  if (!files.ok()) return;  // refusing it is fine, too
  const auto to = fresh("fetched");
  const auto fetched = files->fetch("/top", to);
  EXPECT_FALSE(std::filesystem::exists(to / "bb"));
  EXPECT_FALSE(std::filesystem::exists(to.parent_path() / "passwd"));
}

TEST(GuestFiles, ReplaysTheJournalIntoTheScratchOnly) {
  const auto image =
      store(ext4_image({{"/etc/fstab", "old"}}, 16, {"-b", "4096", "-O", "64bit,^metadata_csum"}));
  debugfs(image, {"jo", "jw -b 3000 " + store(Bytes(4096, std::byte{5})).string(), "jc"});
  const Bytes before = read_file(image).value();
  MemoryDisk base(before);
  MemoryDisk written(base.size());
  ScratchDisk disk(base, written);
  auto files = GuestFiles::open(disk, "");
  ASSERT_TRUE(files.ok()) << files.error().message();
  EXPECT_THAT(names(files->list("/etc").value()), ElementsAre("fstab"));
  EXPECT_EQ(base.content(), before);
  EXPECT_FALSE(disk.written().empty()) << "there was a journal to replay";
}

TEST(GuestFiles, SaysWhichVolumesThereAre) {
  const Bytes root = ext4_image(tree, 16);
  const Bytes data = ext4_image({{"/only", "data"}}, 16);
  MemoryDisk disk(
      partitioned_disk(64, "start=2048,size=32768\nstart=40960,size=32768\n", {{1, root}, {20, data}}));
  auto chosen = GuestFiles::open(disk, "").value();
  EXPECT_EQ(chosen.volume(), "partition 1") << "the one with /etc";
  auto second = GuestFiles::open(disk, "2").value();
  EXPECT_THAT(names(second.list("/").value()), ElementsAre("lost+found", "only"));
  EXPECT_THAT(GuestFiles::open(disk, "7").error().message(),
              HasSubstr("it has partition 1: ext4, partition 2: ext4"));
}

TEST(GuestFiles, FollowsAFolderWithManyFilesAndALongFileWithAHole) {
  Files many;
  for (int i = 0; i < 3000; ++i) many[fmt::format("/many/{}", i)] = std::to_string(i);
  std::string longer(9 * mib, 'x');
  std::fill(longer.begin() + mib, longer.end() - mib, '\0');
  many["/many/long"] = longer;
  MemoryDisk disk(ext4_image(many, 64));
  auto files = GuestFiles::open(disk, "").value();
  EXPECT_EQ(files.list("/many").value().size(), 3001U);
  const auto to = fresh("fetched");
  EXPECT_EQ(files.fetch("/many", to).value().files, 3001U);
  EXPECT_EQ(read_text_file(to / "2999").value(), "2999");
  EXPECT_EQ(read_text_file(to / "long").value(), longer);
}

TEST(GuestFiles, NamesTheOtherWayForFileSystemsItDoesNotRead) {
  Bytes xfs(32 * mib);
  std::ranges::copy(as_bytes("XFSB"), xfs.begin());
  MemoryDisk disk(xfs);
  const auto refused = GuestFiles::open(disk, "");
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("point serve"));
  EXPECT_THAT(refused.error().message(), HasSubstr("XFS"));
}

}  // namespace
}  // namespace rekindle
