#include "guest/disk_names.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

DiskNames some_names() {
  DiskNames names;
  names.add("a", 1, {VolumeKind::ext, "1111", ""});
  names.add("a", 5, {VolumeKind::swap, "5555", ""});
  names.add("b", 0, {VolumeKind::xfs, "bbbb", ""});
  return names;
}

TEST(DiskNames, TellsHardwareNamesFromOthers) {
  for (const char* name : {"/dev/sda1", "/dev/xvdb", "/dev/vdaa3",
                           "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part1", "/dev/sr0"}) {
    EXPECT_TRUE(DiskNames::is_hardware_name(name)) << name;
  }
  for (const char* name : {"UUID=1111", "/dev/mapper/vg-root", "/dev/sda1x", "/dev/sd", "LABEL=x", "tmpfs",
                           "/dev/md0", "/dev/sda1234"}) {
    EXPECT_FALSE(DiskNames::is_hardware_name(name)) << name;
  }
}

TEST(Fstab, NamesDisksByTheirUuidAndKeepsEverythingElse) {
  const TextEdit edit = rewrite_fstab(
      "# /etc/fstab: /dev/sda1 was here\n"
      "/dev/sda1\t/      ext4  errors=remount-ro 0 1\n"
      "  /dev/sda5 none swap sw 0 0\n"
      "/dev/sdb /data xfs defaults 0 2\n"
      "UUID=1234 /home ext4 defaults 0 2\n"
      "/dev/mapper/vg-var /var ext4 defaults 0 2",
      some_names());
  EXPECT_EQ(edit.text,
            "# /etc/fstab: /dev/sda1 was here\n"
            "UUID=1111\t/      ext4  errors=remount-ro 0 1\n"
            "  UUID=5555 none swap sw 0 0\n"
            "UUID=bbbb /data xfs defaults 0 2\n"
            "UUID=1234 /home ext4 defaults 0 2\n"
            "/dev/mapper/vg-var /var ext4 defaults 0 2\n");
  EXPECT_EQ(edit.changes.size(), 3U);
  EXPECT_TRUE(edit.warnings.empty());
}

TEST(Fstab, DoesNotLetAMissingDiskStopTheBoot) {
  const TextEdit edit = rewrite_fstab(
      "/dev/sdc1 /srv ext4 defaults,noatime 0 2\n/dev/sdc2 none swap\n/dev/sr0 /media iso9660 user,noauto 0 "
      "0\n/dev/sdd1 /x ext4 nofail 0 0\n",
      some_names());
  EXPECT_EQ(edit.text,
            "/dev/sdc1 /srv ext4 defaults,noatime,nofail 0 2\n/dev/sdc2 none swap defaults,nofail\n"
            "/dev/sr0 /media iso9660 user,noauto 0 0\n/dev/sdd1 /x ext4 nofail 0 0\n");
  EXPECT_EQ(edit.warnings.size(), 2U);
}

TEST(Fstab, WarnsAboutARootThatItCannotName) {
  const TextEdit edit = rewrite_fstab("/dev/sdc1 / ext4 defaults 0 1\n", some_names());
  EXPECT_EQ(edit.text, "/dev/sdc1 / ext4 defaults 0 1\n");
  ASSERT_EQ(edit.warnings.size(), 1U);
  EXPECT_NE(edit.warnings[0].find("use its UUID"), std::string::npos);
}

TEST(Fstab, IsTheSameAgainTheSecondTime) {
  const TextEdit once = rewrite_fstab("/dev/sda1 / ext4 x 0 1\n/dev/sdc1 /srv ext4 x 0 2", some_names());
  const TextEdit twice = rewrite_fstab(once.text, some_names());
  EXPECT_EQ(twice.text, once.text);
  EXPECT_TRUE(twice.changes.empty());
}

TEST(KernelArguments, NamesRootAndResumeByTheirUuid) {
  const TextEdit edit = rewrite_kernel_arguments(
      "  set root='hd0,msdos1'\n  linux /boot/vmlinuz root=/dev/sda1 ro "
      "resume=/dev/sda5\nGRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n"
      "RESUME=/dev/sda5\n  linux /vmlinuz root=UUID=77 nfsroot=/dev/sda1\n",
      some_names());
  EXPECT_EQ(edit.text,
            "  set root='hd0,msdos1'\n  linux /boot/vmlinuz root=UUID=1111 ro "
            "resume=UUID=5555\nGRUB_CMDLINE_LINUX=\"root=UUID=1111\"\n"
            "RESUME=UUID=5555\n  linux /vmlinuz root=UUID=77 nfsroot=/dev/sda1\n");
  EXPECT_EQ(edit.changes.size(), 3U) << "each once";
}

TEST(KernelArguments, WarnsAboutADiskThatItDoesNotKnow) {
  const TextEdit edit = rewrite_kernel_arguments("linux root=/dev/sdc1 ro", some_names());
  EXPECT_EQ(edit.text, "linux root=/dev/sdc1 ro");
  EXPECT_EQ(edit.warnings.size(), 1U);
}

}  // namespace
}  // namespace rekindle
