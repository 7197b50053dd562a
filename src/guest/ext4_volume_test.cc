#include "guest/ext4_volume.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "guest/guest_fixture.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;

const std::vector<std::string> feature_sets[] = {{},
                                                 {"-b", "1024"},
                                                 {"-O", "^extents,^64bit,^metadata_csum"},
                                                 {"-O", "bigalloc", "-C", "16384"},
                                                 {"-O", "^has_journal"},
                                                 {"-O", "^uninit_bg,^metadata_csum"}};

TEST(Ext4Volume, AppendsReplacesAndCreatesOnEveryKindOfExt4) {
  SeededRandom random(1);
  const Bytes archive = random.bytes(700'001);
  for (const auto& features : feature_sets) {
    SCOPED_TRACE(testing::PrintToString(features));
    MemoryDisk disk(fx::ext4_image(
        {{"/boot/initrd", "0123456789"}, {"/etc/short", "ab"}, {"/etc/long", std::string(9000, 'x')}}, 32,
        features));
    auto volume = Ext4Volume::open(disk).value();
    ASSERT_TRUE(volume->append("/boot/initrd", archive).ok());
    ASSERT_TRUE(volume->replace("/etc/short", as_bytes(std::string(5000, 'y'))).ok());
    ASSERT_TRUE(volume->replace("/etc/long", as_bytes("shorter")).ok());
    ASSERT_TRUE(volume->make_directories("/etc/systemd/network").ok());
    ASSERT_TRUE(volume->create("/etc/systemd/network/a.link", as_bytes("[Match]\n"), 0640).ok());
    ASSERT_TRUE(volume->close().ok());

    fx::expect_clean(disk.content());
    auto again = Ext4Volume::open(disk).value();
    EXPECT_TRUE(again->read("/boot/initrd", 10, archive.size()).value() == archive);
    EXPECT_EQ(again->size_of("/boot/initrd").value(), archive.size() + 10);
    EXPECT_EQ(again->read_text("/etc/short").value(), std::string(5000, 'y'));
    EXPECT_EQ(again->read_text("/etc/long").value(), "shorter");
    EXPECT_EQ(again->read_text("/etc/systemd/network/a.link").value(), "[Match]\n");
  }
}

TEST(Ext4Volume, KeepsInodeModeAndOwnerOfAReplacedFile) {
  const auto image = fx::store(fx::ext4_image({{"/etc/fstab", "old"}}, 16));
  fx::debugfs(image, {"sif /etc/fstab mode 0100600", "sif /etc/fstab uid 1234"});
  const std::string before = fx::debugfs(image, {"stat /etc/fstab"});
  MemoryDisk disk(read_file(image).value());
  auto volume = Ext4Volume::open(disk).value();
  ASSERT_TRUE(volume->replace("/etc/fstab", as_bytes("newer")).ok());
  ASSERT_TRUE(volume->close().ok());
  const std::string after = fx::debugfs(fx::store(disk.content()), {"stat /etc/fstab"});
  const auto first_lines = [](const std::string& text) {
    return text.substr(text.find("Inode:"), text.find("Size:") - text.find("Inode:"));
  };
  EXPECT_EQ(first_lines(after), first_lines(before));
  EXPECT_NE(after.find("User:  1234"), std::string::npos);
}

TEST(Ext4Volume, GrowsADirectoryWithAnIndex) {
  fx::Files files;
  for (int i = 0; i < 400; ++i) files["/etc/a-file-with-a-rather-long-name-" + std::to_string(i)] = "";
  MemoryDisk disk(fx::ext4_image(files, 32, {"-b", "1024"}));
  auto volume = Ext4Volume::open(disk).value();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        volume->create("/etc/another-file-with-a-long-name-" + std::to_string(i), as_bytes("x"), 0644).ok());
  }
  ASSERT_TRUE(volume->close().ok());
  fx::expect_clean(disk.content());
  EXPECT_EQ(Ext4Volume::open(disk).value()->list("/etc")->size(), 500U);
}

TEST(Ext4Volume, FollowsLinksInsideTheFileSystem) {
  MemoryDisk disk(fx::ext4_image(
      {{"/lib", "-> usr/lib"}, {"/usr/lib/modules/6.1/modules.dep", "deps"}, {"/loop", "-> /loop"}}, 16));
  auto volume = Ext4Volume::open(disk).value();
  EXPECT_EQ(volume->read_text("/lib/modules/6.1/modules.dep").value(), "deps");
  EXPECT_EQ(volume->list("/lib/modules").value(), std::vector<std::string>{"6.1"});
  EXPECT_FALSE(volume->read_text("/loop").ok());
}

TEST(Ext4Volume, SaysWhatIsNotThere) {
  MemoryDisk disk(fx::ext4_image({{"/etc/fstab", "x"}}, 16));
  auto volume = Ext4Volume::open(disk).value();
  EXPECT_EQ(volume->read_text("/etc/absent").error().code(), ErrorCode::not_found);
  EXPECT_EQ(volume->read_text("/etc").error().code(), ErrorCode::not_found);
  EXPECT_EQ(volume->read_text("/etc/fstab/below").error().code(), ErrorCode::not_found);
  EXPECT_FALSE(volume->is_file("/etc").value());
  EXPECT_TRUE(volume->is_directory("/etc").value());
  EXPECT_EQ(volume->create("/etc/fstab", {}, 0644).error().code(), ErrorCode::already_exists);
}

TEST(Ext4Volume, WritesNothingIfNothingWasChanged) {
  const Bytes image = fx::ext4_image({{"/etc/fstab", "x"}}, 16);
  MemoryDisk disk(image);
  auto volume = Ext4Volume::open(disk).value();
  ASSERT_TRUE(volume->read_text("/etc/fstab").ok());
  ASSERT_TRUE(volume->close().ok());
  EXPECT_TRUE(disk.content() == image);
}

TEST(Ext4Volume, RefusesToFillTheFileSystemAndLeavesItAsItWas) {
  const Bytes image = fx::ext4_image({{"/boot/initrd", "x"}}, 16);
  MemoryDisk disk(image);
  auto volume = Ext4Volume::open(disk).value();
  const auto appended = volume->append("/boot/initrd", Bytes(16 * mib));
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(appended.error().code(), ErrorCode::exhausted);
  EXPECT_NE(appended.error().message().find("free some space"), std::string::npos);
  ASSERT_TRUE(volume->close().ok());
  EXPECT_TRUE(disk.content() == image);
}

TEST(Ext4Volume, DoesNotBelieveTheSumOfFreeBlocksInTheSuperblock) {
  Bytes image = fx::ext4_image({{"/boot/initrd", "x"}}, 16, {"-O", "^metadata_csum"});
  store_le<std::uint32_t>(&image[1024 + 12], 4'000'000);
  MemoryDisk disk(std::move(image));
  auto volume = Ext4Volume::open(disk).value();
  EXPECT_LT(volume->free_bytes(), 16 * mib);
  EXPECT_EQ(volume->append("/boot/initrd", Bytes(16 * mib)).error().code(), ErrorCode::exhausted);
}

TEST(Ext4Volume, RefusesFilesThatAreLargerThanTheyCanBe) {
  MemoryDisk disk(fx::ext4_image({{"/etc/fstab", std::string(5000, 'x')}}, 16));
  auto volume = Ext4Volume::open(disk).value();
  EXPECT_EQ(volume->read_text("/etc/fstab", 4096).error().code(), ErrorCode::corrupt);
}

TEST(Ext4Volume, RefusesProtectedFiles) {
  const auto image = fx::store(fx::ext4_image({{"/boot/initrd", "x"}}, 16, {"-O", "encrypt,verity"}));
  fx::debugfs(image, {"sif /boot/initrd flags 0x80800"});
  MemoryDisk disk(read_file(image).value());
  auto volume = Ext4Volume::open(disk).value();
  EXPECT_EQ(volume->append("/boot/initrd", Bytes(10)).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(volume->read_text("/boot/initrd").error().code(), ErrorCode::failed_precondition);
}

TEST(Ext4Volume, RefusesContentInInodes) {
  MemoryDisk disk(fx::ext4_image({{"/etc/fstab", "x"}}, 16, {"-O", "inline_data"}));
  EXPECT_EQ(Ext4Volume::open(disk).error().code(), ErrorCode::failed_precondition);
  const auto image = fx::store(fx::ext4_image({{"/boot/initrd", "x"}}, 16));
  fx::debugfs(image, {"sif /boot/initrd flags 0x10000000"});
  MemoryDisk forged(read_file(image).value());
  auto volume = Ext4Volume::open(forged).value();
  EXPECT_EQ(volume->append("/boot/initrd", Bytes(100'000)).error().code(), ErrorCode::failed_precondition);
}

TEST(Ext4Volume, RefusesASuperblockThatCannotBeTrue) {
  Bytes image = fx::ext4_image({}, 16, {"-O", "^metadata_csum"});
  const auto refused = [&](std::size_t offset, std::uint32_t value) {
    Bytes content = image;
    store_le<std::uint32_t>(&content[1024 + offset], value);
    MemoryDisk disk(std::move(content));
    const auto volume = Ext4Volume::open(disk);
    return !volume.ok() && volume.error().code() == ErrorCode::corrupt;
  };
  EXPECT_TRUE(refused(4, 0xFFFFFFFF)) << "more blocks than the volume has";
  EXPECT_TRUE(refused(24, 40)) << "block size";
  EXPECT_TRUE(refused(32, 8)) << "tiny groups";
}

// Fails every read behind the first ones.
class FailingDisk final : public BlockTarget {
 public:
  FailingDisk(MemoryDisk& disk, int good_reads) : disk_(disk), good_reads_(good_reads) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    if (good_reads_-- <= 0) return error(ErrorCode::unavailable, "connection reset");
    return disk_.read_at(offset, bytes);
  }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override { return disk_.write_at(offset, bytes); }
  Result<> flush() override { return {}; }

 private:
  MemoryDisk& disk_;
  int good_reads_;
};

TEST(Ext4Volume, PassesOnWhatTheDiskSaid) {
  MemoryDisk disk(fx::ext4_image({{"/etc/fstab", "x"}}, 16));
  for (int good_reads = 0; good_reads < 6; ++good_reads) {
    FailingDisk failing(disk, good_reads);
    auto volume = Ext4Volume::open(failing);
    const auto text = volume.ok() ? (*volume)->read_text("/etc/fstab") : Result<std::string>(volume.error());
    if (text.ok()) continue;
    EXPECT_EQ(text.error().code(), ErrorCode::unavailable) << good_reads;
    EXPECT_NE(text.error().message().find("connection reset"), std::string::npos);
  }
}

}  // namespace
}  // namespace rekindle
