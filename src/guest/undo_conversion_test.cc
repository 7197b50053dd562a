#include "guest/undo_conversion.h"

#include <gtest/gtest.h>

#include "disk/memory_disk.h"
#include "guest/ext4_volume.h"
#include "guest/guest_to_convert_fixture.h"
#include "guest/volume_view.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;

constexpr Extent first_partition{1 * mib, 15 * mib};
const std::string initrd = "/boot/initrd.img-6.1.0-50-amd64";

// The guest's life on EC2, in the part that matters: what it does to its files.
class UndoConversion : public testing::Test {
 protected:
  UndoConversion() {
    const auto converted = convert_guest(now, {});
    EXPECT_TRUE(converted.ok()) << converted.error().message();
    files = converted->files;
  }

  template <typename Work>
  auto in(MemoryDisk& disk, Work&& work) {
    VolumeView view(disk, {first_partition});
    const auto volume = Ext4Volume::open(view).value();
    auto result = work(*volume);
    EXPECT_TRUE(volume->close().ok());
    return result;
  }
  std::string text_of(MemoryDisk& disk, const std::string& path) {
    return in(disk, [&](Ext4Volume& volume) {
      const auto text = volume.read_text(path);
      return text.ok() ? *text : "(" + std::string(to_string(text.error().code())) + ")";
    });
  }
  void write(const std::string& path, const std::string& text) {
    in(now, [&](Ext4Volume& volume) {
      const bool there = volume.is_file(path).value();
      EXPECT_TRUE(
          (there ? volume.replace(path, as_bytes(text)) : volume.create(path, as_bytes(text), 0644)).ok());
      return 0;
    });
  }
  UndoReport undo() {
    auto report = undo_conversion(now, before, {});
    EXPECT_TRUE(report.ok()) << report.error().message();
    fx::expect_clean(fx::part_of(now, first_partition.offset, first_partition.length));
    return report.ok() ? *std::move(report) : UndoReport();
  }

  MemoryDisk before{guest_to_convert()};
  MemoryDisk now{guest_to_convert()};
  std::vector<std::string> files;
};

TEST_F(UndoConversion, MakesEveryFileWhatItWas) {
  EXPECT_GE(files.size(), 4U);
  write("/var-of-a-life.txt", "lived");
  const UndoReport report = undo();
  EXPECT_EQ(report.restored.size(), files.size());
  EXPECT_TRUE(report.left.empty());
  for (const std::string& path : files) EXPECT_EQ(text_of(now, path), text_of(before, path)) << path;
  EXPECT_EQ(text_of(now, "/var-of-a-life.txt"), "lived");
}

TEST_F(UndoConversion, UndoingAgainChangesNothing) {
  undo();
  const Bytes once = now.content();
  const UndoReport again = undo();
  EXPECT_TRUE(again.restored.empty());
  EXPECT_TRUE(now.content() == once);
}

TEST_F(UndoConversion, LeavesWhatTheGuestChangedItself) {
  write("/etc/fstab", "UUID=1234 / ext4 defaults 0 1\n");
  const UndoReport report = undo();
  ASSERT_EQ(report.left.size(), 1U);
  EXPECT_TRUE(report.left[0].starts_with("/etc/fstab was changed on EC2")) << report.left[0];
  EXPECT_EQ(text_of(now, "/etc/fstab"), "UUID=1234 / ext4 defaults 0 1\n");
  EXPECT_EQ(text_of(now, initrd), "the guest's own initrd");
}

TEST_F(UndoConversion, GivesAnInitrdThatTheGuestMadeTheDriversOfHome) {
  const std::string modules = "/usr/lib/modules/6.1.0-50-amd64";
  write(modules + "/kernel/vmw_pvscsi.ko", "PVSCSI");
  write(modules + "/modules.dep", "kernel/nvme.ko:\nkernel/virtio_blk.ko:\nkernel/vmw_pvscsi.ko:\n");
  write(initrd, "an initrd with the drivers of EC2 only");
  const UndoReport report = undo();
  EXPECT_EQ(report.kernels, (std::vector<std::string>{"6.1.0-50-amd64"}));
  const std::string made = text_of(now, initrd);
  EXPECT_TRUE(made.starts_with("an initrd with the drivers of EC2 only"));
  EXPECT_GT(made.size(), 1024U);
  // It has those of EC2, too: the next failover finds nothing left to do for it.
  EXPECT_EQ(convert_guest(now, {})->kernels.at(0).outcome, KernelOutcome::already_converted);
  // And the next way home leaves it alone.
  MemoryDisk left_again(now.content());
  EXPECT_TRUE(undo_conversion(now, left_again, {})->kernels.empty());
  EXPECT_EQ(text_of(now, initrd), made);
}

TEST_F(UndoConversion, WarnsOfAKernelWithoutADriverOfHome) {
  write(initrd, "made on EC2");
  const UndoReport report = undo();
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_NE(report.warnings[0].find("has no driver of VMware's disks"), std::string::npos);
}

TEST_F(UndoConversion, AFileThatTheGuestRemovedStaysAway) {
  in(now, [](Ext4Volume& volume) {
    EXPECT_TRUE(volume.remove("/etc/network/interfaces").ok());
    return 0;
  });
  undo();
  EXPECT_EQ(text_of(now, "/etc/network/interfaces"), "(not_found)");
}

// What each form of configuration becomes, and that it becomes again what it was.
fx::Files files_of_every_form() {
  fx::Files guest = files_to_convert();
  guest["/etc/sysconfig/network-scripts/ifcfg-ens192"] =
      "DEVICE=ens192\nHWADDR=00:50:56:00:00:01\nIPADDR=10.0.0.2\nPREFIX=24\nONBOOT=yes\n";
  guest["/etc/udev/rules.d/70-persistent-net.rules"] =
      "SUBSYSTEM==\"net\", ATTR{address}==\"00:50:56:00:00:01\", NAME=\"ens192\"\n";
  guest["/etc/netplan/50-lan.yaml"] = "network:\n  ethernets:\n    ens192:\n      addresses: [10.0.0.2/24]\n";
  return guest;
}

class UndoOfNetworkFiles : public UndoConversion {
 protected:
  UndoOfNetworkFiles() {
    before = MemoryDisk(disk_of_guest(guest));
    now = MemoryDisk(before.content());
    const auto converted = convert_guest(now, {});
    EXPECT_TRUE(converted.ok()) << (converted.ok() ? "" : converted.error().message());
  }

  fx::Files guest = files_of_every_form();
  std::vector<std::string> paths = {"/etc/sysconfig/network-scripts/ifcfg-ens192",
                                    "/etc/udev/rules.d/70-persistent-net.rules", "/etc/netplan/50-lan.yaml"};
};

TEST_F(UndoOfNetworkFiles, MakesEachFormWhatItWas) {
  for (const std::string& path : paths) EXPECT_NE(text_of(now, path), guest[path]) << path;
  EXPECT_TRUE(undo().left.empty());
  for (const std::string& path : paths) {
    EXPECT_EQ(text_of(now, path), guest[path]);
    EXPECT_EQ(text_of(now, "/var/lib/rekindle/before" + path), "(not_found)");
  }
  for (const char* made :
       {"/etc/udev/rules.d/70-rekindle-net.rules", "/etc/systemd/network/10-rekindle-ens192.link"})
    EXPECT_EQ(text_of(now, made), "(not_found)");
}

TEST_F(UndoOfNetworkFiles, KeepsTheOriginalsOfWhatItLeaves) {
  write(paths[2], "network:\n  version: 2\n");
  const UndoReport report = undo();
  ASSERT_EQ(report.left.size(), 1U);
  EXPECT_NE(report.left[0].find("/var/lib/rekindle/before" + paths[2]), std::string::npos);
  EXPECT_EQ(text_of(now, "/var/lib/rekindle/before" + paths[2]), guest[paths[2]]);
  EXPECT_EQ(text_of(now, "/var/lib/rekindle/before" + paths[0]), "(not_found)");
  EXPECT_EQ(text_of(now, paths[0]), guest[paths[0]]);
}

}  // namespace
}  // namespace rekindle
