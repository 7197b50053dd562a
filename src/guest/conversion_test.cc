#include "guest/conversion.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "disk/overlay_disk.h"
#include "guest/ext4_superblock.h"
#include "guest/ext4_volume.h"
#include "guest/initrd_archive.h"
#include "guest/lvm_fixture.h"
#include "guest/volume_view.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;
using testing::PrintToString;

constexpr const char* kernel = "6.1.0-50-amd64";
constexpr const char* root_uuid = "11111111-2222-3333-4444-555555555555";
constexpr const char* mbr_layout = "label: dos\nstart=2048, type=83, bootable\n";
constexpr Extent first_partition{1 * mib, 31 * mib};

std::string tree() {
  return std::string("/lib/modules/") + kernel;
}
std::string initrd() {
  return std::string("/boot/initrd.img-") + kernel;
}

// A small Debian as it is installed on VMware: a device name in fstab and GRUB, a static address.
fx::Files debian() {
  return {{"/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"},
          {"/lib", "-> usr/lib"},
          {"/usr" + tree() + "/modules.dep",
           "kernel/nvme.ko: "
           "kernel/nvme-core.ko\nkernel/nvme-core.ko:\nkernel/virtio_blk.ko:\nkernel/net/ena.ko:\nkernel/"
           "vmw_pvscsi.ko:\n"},
          {"/usr" + tree() + "/modules.alias", "alias pci:v*d*sv*sd*bc01sc08i02* nvme\n"},
          {"/usr" + tree() + "/modules.builtin", "kernel/fs/binfmt_script.ko\n"},
          {"/usr" + tree() + "/kernel/nvme.ko", "NVME"},
          {"/usr" + tree() + "/kernel/nvme-core.ko", "CORE"},
          {"/usr" + tree() + "/kernel/virtio_blk.ko", "VIRTIO"},
          {"/usr" + tree() + "/kernel/net/ena.ko", "ENA"},
          {std::string("/boot/vmlinuz-") + kernel, "kernel"},
          {std::string("/boot/config-") + kernel, "#\nCONFIG_RD_ZSTD=y\n"},
          {initrd(), "the guest's own initrd"},
          {"/boot/grub/grub.cfg", "linux /boot/vmlinuz root=/dev/sda1 ro quiet\n"},
          {"/etc/default/grub", "GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n"},
          {"/etc/fstab", "/dev/sda1 / ext4 errors=remount-ro 0 1\n/dev/sdb1 /srv ext4 defaults 0 2\n"},
          {"/etc/initramfs-tools/modules", "# modules\nvmw_pvscsi"},
          {"/etc/network/interfaces",
           "auto ens192\niface ens192 inet static\n  address 10.0.0.5/24\n  gateway 10.0.0.1\n"}};
}

Bytes root_image(const fx::Files& files) {
  return fx::ext4_image(files, 31, {"-U", root_uuid});
}
Bytes mbr_disk(const fx::Files& files) {
  return fx::partitioned_disk(32, mbr_layout, {{1, root_image(files)}});
}

std::unique_ptr<Ext4Volume> open_root(MemoryDisk& disk) {
  static std::vector<std::unique_ptr<VolumeView>> views;
  views.push_back(std::make_unique<VolumeView>(disk, std::vector{first_partition}));
  return Ext4Volume::open(*views.back()).value();
}

ConversionReport convert(BlockTarget& disk, const ConversionOptions& options = {}) {
  auto report = convert_guest(disk, options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message());
  return report.ok() ? std::move(*report) : ConversionReport{};
}

TEST(Conversion, PutsDriversIntoTheInitrdBehindItsOwnContent) {
  MemoryDisk disk(mbr_disk(debian()));
  const ConversionReport report = convert(disk);
  EXPECT_EQ(report.distribution, "Debian GNU/Linux 12 (bookworm)");
  ASSERT_EQ(report.kernels.size(), 1U);
  EXPECT_EQ(report.kernels[0].outcome, KernelOutcome::drivers_added);
  EXPECT_EQ(report.kernels[0].initrd_path, initrd());
  EXPECT_EQ(report.kernels[0].modules,
            (std::vector<std::string>{"kernel/nvme-core.ko", "kernel/nvme.ko", "kernel/virtio_blk.ko"}));
  EXPECT_TRUE(report.kernels[0].has_nic_driver);

  fx::expect_clean(fx::part_of(disk, first_partition.offset, first_partition.length));
  const auto root = open_root(disk);
  const Bytes converted = root->read_all(initrd(), mib).value();
  const std::string own = debian()[initrd()];
  EXPECT_EQ(as_text(converted).substr(0, own.size()), own);
  EXPECT_EQ(converted.size(), own.size() + report.kernels[0].bytes_appended);
  EXPECT_EQ(read_initrd_mark(kernel, ByteView(converted).last(initrd_mark_bytes)), own.size());
  EXPECT_EQ(root->read_text("/etc/initramfs-tools/modules").value(),
            "# modules\nvmw_pvscsi\nnvme\nvirtio_blk\nvirtio_scsi\nvirtio_pci\nxen-blkfront\n");
}

TEST(Conversion, UnpacksToDriversAndIndexesOfTheGuest) {
  fx::Files files = debian();
  files.erase(std::string("/boot/config-") +
              kernel);  // then the archive is plain, which every kernel can read
  MemoryDisk disk(mbr_disk(files));
  const auto size = convert(disk).kernels.at(0).bytes_appended;
  const Bytes converted = open_root(disk)->read_all(initrd(), mib).value();
  const std::size_t start = (files[initrd()].size() + 3) / 4 * 4;
  const auto archive = fx::store(ByteView(converted).subspan(start));
  const auto target = fx::fresh("unpacked");
  std::filesystem::create_directories(target);
  fx::tool({"sh", "-c", "cd " + target.string() + " && mkdir lib && cpio -id --quiet < " + archive.string()});
  EXPECT_EQ(read_text_file(target.string() + tree() + "/kernel/nvme.ko").value(), "NVME");
  EXPECT_EQ(read_text_file(target.string() + tree() + "/modules.alias").value(),
            files["/usr" + tree() + "/modules.alias"]);
  EXPECT_FALSE(std::filesystem::exists(target.string() + tree() + "/kernel/net")) << "NIC drivers stay out";
  EXPECT_GT(size, initrd_mark_bytes);
}

TEST(Conversion, NamesDisksByUuidAndLetsTheNetworkComeUp) {
  MemoryDisk disk(mbr_disk(debian()));
  const ConversionReport report = convert(disk);
  const auto root = open_root(disk);
  EXPECT_EQ(root->read_text("/etc/fstab").value(),
            std::string("UUID=") + root_uuid +
                " / ext4 errors=remount-ro 0 1\n/dev/sdb1 /srv ext4 defaults,nofail 0 2\n");
  EXPECT_EQ(root->read_text("/boot/grub/grub.cfg").value(),
            std::string("linux /boot/vmlinuz root=UUID=") + root_uuid + " ro quiet\n");
  EXPECT_EQ(root->read_text("/etc/default/grub").value(),
            std::string("GRUB_CMDLINE_LINUX=\"root=UUID=") + root_uuid + "\"\n");
  EXPECT_EQ(root->read_text("/etc/network/interfaces").value(), "auto ens192\niface ens192 inet dhcp\n");
  EXPECT_EQ(root->read_text("/var/lib/rekindle/before/etc/network/interfaces").value(),
            debian()["/etc/network/interfaces"]);
  const std::string link = root->read_text("/etc/systemd/network/10-rekindle-ens192.link").value();
  EXPECT_NE(link.find("Driver=ena "), std::string::npos);
  EXPECT_NE(link.find("Name=ens192\n"), std::string::npos);
  const std::string rules = root->read_text("/etc/udev/rules.d/70-rekindle-net.rules").value();
  EXPECT_NE(rules.find("\nSUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"ena\", NAME=\"ens192\"\n"),
            std::string::npos)
      << rules;
  EXPECT_EQ(report.changes.size(), 8U) << PrintToString(report.changes);
}

TEST(Conversion, NamesNicsByTheirNewAddressesIfTheseAreKnown) {
  fx::Files files = debian();
  files["/etc/network/interfaces"] = "iface ens192 inet dhcp\niface ens224 inet dhcp\n";
  MemoryDisk unknown(mbr_disk(files));
  EXPECT_NE(PrintToString(convert(unknown).warnings).find("2 NICs (ens192, ens224)"), std::string::npos);
  MemoryDisk known(mbr_disk(files));
  ConversionOptions options;
  options.nics = {{"06:00:00:00:00:01", ""}, {"06:00:00:00:00:02", ""}};
  convert(known, options);
  const auto root = open_root(known);
  EXPECT_NE(
      root->read_text("/etc/systemd/network/10-rekindle-ens224.link")->find("MACAddress=06:00:00:00:00:02"),
      std::string::npos);
  const std::string rules = root->read_text("/etc/udev/rules.d/70-rekindle-net.rules").value();
  EXPECT_NE(rules.find("ATTR{address}==\"06:00:00:00:00:02\", NAME=\"ens224\"\n"), std::string::npos)
      << rules;
  EXPECT_FALSE(convert(known, options).changed_anything());
}

TEST(Conversion, ChangesNothingTheSecondTime) {
  MemoryDisk disk(mbr_disk(debian()));
  convert(disk);
  const Bytes once = disk.content();
  const ConversionReport again = convert(disk);
  EXPECT_FALSE(again.changed_anything()) << PrintToString(again.changes);
  EXPECT_EQ(again.kernels.at(0).outcome, KernelOutcome::already_converted);
  EXPECT_TRUE(disk.content() == once);
}

TEST(Conversion, GivesTheSameBytesForTheSameDisk) {
  const Bytes content = mbr_disk(debian());
  MemoryDisk one(content);
  MemoryDisk two(content);
  convert(one);
  convert(two);
  EXPECT_TRUE(one.content() == two.content());
}

TEST(Conversion, InspectsWithoutWriting) {
  MemoryDisk disk(mbr_disk(debian()));
  const Bytes before = disk.content();
  const Readiness readiness = inspect_guest(disk, {}).value();
  EXPECT_FALSE(readiness.ready);
  EXPECT_TRUE(readiness.convertible);
  EXPECT_EQ(readiness.report.kernels.at(0).outcome, KernelOutcome::drivers_added);
  EXPECT_TRUE(disk.content() == before);
  convert(disk);
  EXPECT_TRUE(inspect_guest(disk, {})->ready);
}

TEST(Conversion, MakesAGuestOfEc2BootOnVmware) {
  fx::Files files = debian();
  files["/usr" + tree() + "/modules.dep"] = "kernel/nvme.ko:\nkernel/vmw_pvscsi.ko:\nkernel/vmxnet3.ko:\n";
  files["/usr" + tree() + "/kernel/vmw_pvscsi.ko"] = "PVSCSI";
  files["/usr" + tree() + "/kernel/vmxnet3.ko"] = "VMXNET3";
  MemoryDisk disk(mbr_disk(files));
  const ConversionReport report = convert(disk, {.platform = Platform::vmware});
  ASSERT_EQ(report.kernels.size(), 1U);
  EXPECT_EQ(report.kernels[0].outcome, KernelOutcome::drivers_added);
  EXPECT_EQ(report.kernels[0].modules, std::vector<std::string>{"kernel/vmw_pvscsi.ko"});
  EXPECT_TRUE(report.kernels[0].has_nic_driver);
  const std::string link = open_root(disk)->read_text("/etc/systemd/network/10-rekindle-ens192.link").value();
  EXPECT_NE(link.find("Driver=vmxnet3 e1000e e1000\n"), std::string::npos) << link;
  EXPECT_FALSE(convert(disk, {.platform = Platform::vmware}).changed_anything());
}

TEST(Conversion, RefusesAGuestOfEc2WithoutADriverOfVmware) {
  fx::Files files = debian();
  files["/usr" + tree() + "/modules.dep"] = "kernel/nvme.ko:\nkernel/nvme-core.ko:\n";
  MemoryDisk disk(mbr_disk(files));
  const auto refused = convert_guest(disk, {.platform = Platform::vmware});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(refused.error().message().find("has no VMware storage driver"), std::string::npos);
}

TEST(Conversion, ReplaysTheJournalFirst) {
  const auto image = fx::store(root_image(debian()));
  fx::debugfs(image, {"jo -c", "jw -b 7000 " + fx::store(Bytes(4096, std::byte{9})).string(), "jc"});
  MemoryDisk disk(fx::partitioned_disk(32, mbr_layout, {{1, read_file(image).value()}}));
  OverlayDisk overlay(disk, 512 * kib);
  const ConversionReport report = convert(overlay);
  EXPECT_GT(report.journal_blocks_replayed, 0U);
  EXPECT_FALSE(overlay.changed_blocks().empty());
  Bytes partition(first_partition.length);
  ASSERT_TRUE(overlay.read_at(first_partition.offset, partition).ok());
  fx::expect_clean(partition);
}

TEST(Conversion, FindsKernelsOnABootVolumeOfTheirOwn) {
  fx::Files boot;
  fx::Files root;
  for (const auto& [path, content] : debian()) {
    if (path.starts_with("/boot/"))
      boot[path.substr(5)] = content;
    else
      root[path] = content;
  }
  MemoryDisk disk(fx::partitioned_disk(
      64, "label: dos\nstart=2048, size=63488, type=83, bootable\nstart=67584, type=83\n",
      {{1, fx::ext4_image(boot, 31)}, {33, root_image(root)}}));
  const ConversionReport report = convert(disk);
  EXPECT_EQ(report.kernels.at(0).outcome, KernelOutcome::drivers_added);
  EXPECT_EQ(report.kernels.at(0).initrd_path, initrd());
  fx::expect_clean(fx::part_of(disk, 1 * mib, 31 * mib));
  fx::expect_clean(fx::part_of(disk, 33 * mib, 31 * mib));
}

TEST(Conversion, ConvertsARootOnALinearLogicalVolume) {
  Bytes physical = fx::physical_volume(40,
                                       "root { segment_count = 1\n segment1 { start_extent = 0\n "
                                       "extent_count = 8\n type = \"striped\"\n stripe_count = 1\n"
                                       " stripes = [ \"pv0\", 1 ] } }\n");
  const std::uint64_t start = mib + fx::lvm_extent_bytes;
  const Bytes root = fx::ext4_image(debian(), 32);
  std::copy(root.begin(), root.end(), physical.begin() + static_cast<std::ptrdiff_t>(start));
  MemoryDisk disk(fx::partitioned_disk(42, "label: dos\nstart=2048, type=8e\n", {{1, physical}}));
  EXPECT_EQ(convert(disk).kernels.at(0).outcome, KernelOutcome::drivers_added);
  fx::expect_clean(fx::part_of(disk, mib + start, 32 * mib));
}

TEST(Conversion, LeavesKernelsWithABuiltInDriverAlone) {
  fx::Files files = debian();
  files["/usr" + tree() + "/modules.builtin"] = "kernel/drivers/nvme/host/nvme.ko\n";
  MemoryDisk disk(mbr_disk(files));
  EXPECT_EQ(convert(disk).kernels.at(0).outcome, KernelOutcome::built_in);
  EXPECT_EQ(open_root(disk)->read_text(initrd()).value(), files[initrd()]);
}

TEST(Conversion, WarnsAboutAnEfiLoaderThatANewMachineDoesNotFind) {
  const auto esp = fx::store(Bytes(8 * mib));
  fx::tool({"mkfs.vfat", "-F", "12", esp.string()});
  fx::tool({"mmd", "-i", esp.string(), "::/EFI", "::/EFI/debian"});
  fx::tool({"mcopy", "-i", esp.string(), fx::store(as_bytes("shim")).string(), "::/EFI/debian/shimx64.efi"});
  const auto disk_with = [&] {
    return fx::partitioned_disk(
        42, "label: gpt\nstart=2048, size=16384, type=U\nstart=18432, size=63488, type=L\n",
        {{1, read_file(esp).value()}, {9, root_image(debian())}});
  };
  MemoryDisk without(disk_with());
  const ConversionReport warned = convert(without);
  EXPECT_FALSE(warned.boots_from_uefi);
  EXPECT_NE(PrintToString(warned.warnings).find("grub-install --force-extra-removable"), std::string::npos);

  fx::tool({"mmd", "-i", esp.string(), "::/EFI/BOOT"});
  fx::tool({"mcopy", "-i", esp.string(), fx::store(as_bytes("shim")).string(), "::/EFI/BOOT/BOOTX64.EFI"});
  MemoryDisk with(disk_with());
  EXPECT_TRUE(convert(with).boots_from_uefi);
}

struct Refusal {
  std::string name;
  Bytes disk;
  ErrorCode code;
  std::string says;
};

std::vector<Refusal> refusals() {
  fx::Files no_driver = debian();
  no_driver["/usr" + tree() + "/modules.dep"] = "kernel/vmw_pvscsi.ko:\n";
  fx::Files no_kernel = debian();
  std::erase_if(no_kernel, [](const auto& file) { return file.first.starts_with("/boot/"); });
  fx::Files missing_module = debian();
  missing_module.erase("/usr" + tree() + "/kernel/nvme-core.ko");
  fx::Files full = debian();
  full["/var/full"] = std::string(20 * mib, 'x');
  full["/usr" + tree() + "/kernel/nvme.ko"] = std::string(4 * mib, 'x');
  full.erase(std::string("/boot/config-") + kernel);
  Bytes xfs(31 * mib);
  fx::put(xfs, 0, "XFSB");
  Bytes luks(31 * mib);
  fx::put(luks, 0, "LUKS\xBA\xBE");
  return {{"no driver", mbr_disk(no_driver), ErrorCode::failed_precondition, "has no NVMe driver"},
          {"no kernel", mbr_disk(no_kernel), ErrorCode::failed_precondition, "no kernel was found"},
          {"module missing", mbr_disk(missing_module), ErrorCode::not_found, "nvme-core.ko"},
          {"full", mbr_disk(full), ErrorCode::exhausted, "free some space in the guest"},
          {"xfs", fx::partitioned_disk(32, mbr_layout, {{1, xfs}}), ErrorCode::failed_precondition,
           "partition 1: XFS"},
          {"luks", fx::partitioned_disk(32, mbr_layout, {{1, luks}}), ErrorCode::failed_precondition,
           "LUKS encryption"},
          {"empty", Bytes(1 * mib), ErrorCode::failed_precondition, "nothing known"}};
}

TEST(Conversion, RefusesInASentenceThatSaysWhy) {
  for (Refusal& refusal : refusals()) {
    SCOPED_TRACE(refusal.name);
    MemoryDisk disk(refusal.disk);
    const auto report = convert_guest(disk, {});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), refusal.code) << report.error().message();
    EXPECT_NE(report.error().message().find(refusal.says), std::string::npos) << report.error().message();
    const Readiness readiness = inspect_guest(disk, {}).value();
    EXPECT_FALSE(readiness.convertible);
    EXPECT_NE(readiness.reason.find(refusal.says), std::string::npos);
  }
}

TEST(Conversion, SurvivesAnyDamageToTheGuest) {
  // Without checksums the file system's library has to notice by itself.
  const Bytes sound =
      fx::partitioned_disk(32, mbr_layout, {{1, fx::ext4_image(debian(), 31, {"-O", "^metadata_csum"})}});
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SeededRandom random(seed);
    MemoryDisk disk(sound);
    VolumeView root(disk, {first_partition});
    Bytes metadata(256 * kib);
    ASSERT_TRUE(root.read_at(4096, metadata).ok());
    for (int i = 0; i < 4; ++i) fx::damage(metadata, {0, metadata.size()}, random);
    ASSERT_TRUE(root.write_at(4096, metadata).ok());
    const auto report = convert_guest(disk, {});
    EXPECT_TRUE(report.ok() || !report.error().message().empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rekindle
