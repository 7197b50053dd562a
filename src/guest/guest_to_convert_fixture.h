// For tests: a small real guest that conversion has something to do for.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "disk/memory_disk.h"
#include "guest/ext4_volume.h"
#include "guest/guest_fixture.h"
#include "guest/volume_view.h"

namespace rekindle {

// A Debian that would not boot on other hardware: device names, and no driver for its disks in the initrd.
inline guest_fixture::Files files_to_convert() {
  const std::string modules = "/usr/lib/modules/6.1.0-50-amd64";
  return {{"/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"},
          {"/lib", "-> usr/lib"},
          {modules + "/modules.dep", "kernel/nvme.ko:\nkernel/virtio_blk.ko:\nkernel/ena.ko:\n"},
          {modules + "/modules.alias", "alias pci:v*d*sv*sd*bc01sc08i02* nvme\n"},
          {modules + "/modules.builtin", ""},
          {modules + "/kernel/nvme.ko", "NVME"},
          {modules + "/kernel/virtio_blk.ko", "VIRTIO"},
          {modules + "/kernel/ena.ko", "ENA"},
          {"/boot/vmlinuz-6.1.0-50-amd64", "kernel"},
          {"/boot/config-6.1.0-50-amd64", "#\nCONFIG_RD_ZSTD=y\n"},
          {"/boot/initrd.img-6.1.0-50-amd64", "the guest's own initrd"},
          {"/boot/grub/grub.cfg", "linux /boot/vmlinuz root=/dev/sda1 ro quiet\n"},
          {"/etc/fstab", "/dev/sda1 / ext4 errors=remount-ro 0 1\n"},
          {"/etc/network/interfaces", "auto ens192\niface ens192 inet dhcp\n"},
          {"/etc/systemd/system/multi-user.target.wants/networking.service",
           "-> /usr/lib/systemd/system/networking.service"},
          {"/usr/lib/systemd/system/networking.service", "[Service]\n"},
          {"/usr/lib/udev/rules.d/80-net-setup-link.rules", "# asks the .link files\n"},
          {"/usr/sbin/ifup", "PROGRAM"},
          {"/usr/sbin/dhclient", "PROGRAM"}};
}

inline Bytes disk_of_guest(const guest_fixture::Files& files) {
  return guest_fixture::partitioned_disk(16, "label: dos\nstart=2048, type=83, bootable\n",
                                         {{1, guest_fixture::ext4_image(files, 15)}});
}

inline const Bytes& guest_to_convert() {
  static const Bytes disk = disk_of_guest(files_to_convert());
  return disk;
}

// The same kernel with VMware's drivers beside its others, as distributions' kernels have them.
inline Bytes with_vmware_drivers(Bytes disk) {
  const std::string modules = "/usr/lib/modules/6.1.0-50-amd64";
  MemoryDisk memory(std::move(disk));
  VolumeView view(memory, {{1 * mib, 15 * mib}});
  const auto volume = Ext4Volume::open(view).value();
  const std::string dep = "kernel/nvme.ko:\nkernel/ena.ko:\nkernel/vmw_pvscsi.ko:\nkernel/vmxnet3.ko:\n";
  EXPECT_TRUE(volume->replace(modules + "/modules.dep", as_bytes(dep)).ok());
  for (const char* module : {"/kernel/vmw_pvscsi.ko", "/kernel/vmxnet3.ko"})
    EXPECT_TRUE(volume->create(modules + module, as_bytes("MODULE"), 0644).ok());
  EXPECT_TRUE(volume->close().ok());
  return memory.content();
}

}  // namespace rekindle
