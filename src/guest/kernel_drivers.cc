#include "guest/kernel_drivers.h"

#include <algorithm>

#include "guest/initrd_archive.h"
#include "guest/module_index.h"
#include "guest/text_lines.h"

namespace rekindle {

namespace {

constexpr std::uint64_t most_index_bytes = 64 * mib;
constexpr std::uint64_t most_module_bytes = 32 * mib;
constexpr std::uint64_t most_archive_bytes = 256 * mib;

// Indexes of the whole tree, not only of the modules added: they replace the reduced ones of the initrd,
// through which udev finds a driver for a device. Aliases of modules that are not there do no harm.
constexpr std::string_view index_files[] = {"modules.dep",
                                            "modules.dep.bin",
                                            "modules.alias",
                                            "modules.alias.bin",
                                            "modules.softdep",
                                            "modules.symbols",
                                            "modules.symbols.bin",
                                            "modules.devname",
                                            "modules.order",
                                            "modules.builtin",
                                            "modules.builtin.bin",
                                            "modules.builtin.alias.bin",
                                            "modules.builtin.modinfo"};

Result<std::string> read_if_there(Ext4Volume& volume, const std::string& path) {
  const bool there = TRY(volume.is_file(path));
  if (!there) return std::string();
  return volume.read_text(path, most_index_bytes);
}

Result<ModuleIndex> read_index(Ext4Volume& root, const std::string& tree) {
  const std::string dep = TRY(read_if_there(root, tree + "/modules.dep"));
  const std::string softdep = TRY(read_if_there(root, tree + "/modules.softdep"));
  const std::string builtin = TRY(read_if_there(root, tree + "/modules.builtin"));
  return ModuleIndex(dep, softdep, builtin);
}

Result<ModuleFiles> collect_files(Ext4Volume& root, const std::string& tree,
                                  const std::vector<std::string>& modules) {
  ModuleFiles files;
  std::uint64_t total = 0;
  const auto add = [&](const std::string& path, std::uint64_t limit) -> Result<> {
    Bytes content = TRY(root.read_all(fmt::format("{}/{}", tree, path), limit));
    total += content.size();
    if (total > most_archive_bytes)
      return error(ErrorCode::corrupt, "the drivers are larger than drivers can be");
    files.emplace(path, std::move(content));
    return {};
  };
  for (const std::string_view name : index_files) {
    const std::string path(name);
    const bool there = TRY(root.is_file(fmt::format("{}/{}", tree, path)));
    if (there) TRY(add(path, most_index_bytes));
  }
  for (const std::string& path : modules) TRY(add(path, most_module_bytes));
  return files;
}

// What a kernel can unpack is known from its configuration only; plain archives all can.
Result<ArchiveCompression> compression_of(GuestDisk& guest, const std::string& version) {
  const std::string config = TRY(read_if_there(guest.boot(), guest.boot_path("config-" + version)));
  return config.find("\nCONFIG_RD_ZSTD=y\n") != std::string::npos ? ArchiveCompression::zstd
                                                                  : ArchiveCompression::none;
}

// Its name in /boot, empty if there is none.
Result<std::string> find_initrd(GuestDisk& guest, const std::string& version) {
  for (const std::string& name :
       {"initrd.img-" + version, "initramfs-" + version + ".img", "initrd-" + version}) {
    const bool there = TRY(guest.boot().is_file(guest.boot_path(name)));
    if (there) return name;
  }
  return std::string();
}

// How long the initrd was before it was converted, if it was.
Result<std::optional<std::uint64_t>> original_length(Ext4Volume& volume, const std::string& path,
                                                     const std::string& version) {
  const std::uint64_t length = TRY(volume.size_of(path));
  if (length < initrd_mark_bytes) return std::optional<std::uint64_t>();
  const Bytes last = TRY(volume.read(path, length - initrd_mark_bytes, initrd_mark_bytes));
  const auto original_bytes = read_initrd_mark(version, last);
  return original_bytes && *original_bytes < length ? original_bytes : std::nullopt;
}

Result<bool> is_converted(Ext4Volume& volume, const std::string& path, const std::string& version) {
  return TRY(original_length(volume, path, version)).has_value();
}

Result<> append_drivers(GuestDisk& guest, const ModuleIndex& index, const std::string& initrd,
                        const std::vector<std::string>& drivers, KernelReport& kernel) {
  const std::string tree = "/lib/modules/" + kernel.version;
  const std::vector<std::string> modules = index.closure(drivers);
  const ModuleFiles files = TRY(collect_files(guest.root(), tree, modules), "collecting drivers");
  const ArchiveCompression compression = TRY(compression_of(guest, kernel.version));
  const std::uint64_t original_bytes = TRY(guest.boot().size_of(initrd));
  const Bytes archive = TRY(make_initrd_archive(kernel.version, files, compression, original_bytes));
  TRY(guest.boot().append(initrd, archive));
  kernel.modules = modules;
  kernel.bytes_appended = archive.size();
  return {};
}

bool has_any(const ModuleIndex& index, const std::vector<std::string>& drivers) {
  return std::ranges::any_of(
      drivers, [&](const std::string& driver) { return index.has(driver) || index.built_in(driver); });
}

bool any_built_in(const ModuleIndex& index, const std::vector<std::string>& drivers) {
  return std::ranges::any_of(drivers, [&](const std::string& driver) { return index.built_in(driver); });
}

Result<KernelReport> convert_kernel(GuestDisk& guest, const std::string& version, const Hardware& hardware) {
  const ModuleIndex index = TRY(read_index(guest.root(), "/lib/modules/" + version));
  KernelReport kernel;
  kernel.version = version;
  kernel.has_nic_driver = has_any(index, hardware.nic_drivers);
  const std::string initrd = TRY(find_initrd(guest, version));
  if (!initrd.empty()) kernel.initrd_path = "/boot/" + initrd;
  if (any_built_in(index, hardware.boot_drivers)) {
    kernel.outcome = KernelOutcome::built_in;
  } else if (!has_any(index, hardware.boot_drivers)) {
    kernel.outcome = KernelOutcome::no_driver;
  } else if (kernel.initrd_path.empty()) {
    kernel.outcome = KernelOutcome::no_initrd;
  } else {
    const bool converted = TRY(is_converted(guest.boot(), guest.boot_path(initrd), version));
    kernel.outcome = converted ? KernelOutcome::already_converted : KernelOutcome::drivers_added;
    if (!converted)
      TRY(append_drivers(guest, index, guest.boot_path(initrd), hardware.storage_drivers, kernel));
  }
  return kernel;
}

// A folder of modules whose kernel was removed is no kernel.
Result<bool> is_installed(GuestDisk& guest, const std::string& version) {
  const bool modules = TRY(guest.root().is_file("/lib/modules/" + version + "/modules.dep"));
  if (!modules) return false;
  const bool image = TRY(guest.boot().is_file(guest.boot_path("vmlinuz-" + version)));
  const std::string initrd = TRY(find_initrd(guest, version));
  return image || !initrd.empty();
}

void warn_about(const KernelReport& kernel, const Hardware& hardware, std::vector<std::string>& warnings) {
  if (kernel.outcome == KernelOutcome::no_initrd) {
    warnings.push_back(fmt::format("kernel {} has no initrd in /boot and will not find its disk on {}",
                                   kernel.version, hardware.name));
  }
  if (kernel.outcome == KernelOutcome::no_driver) {
    warnings.push_back(fmt::format("kernel {} has no {} driver: install its full set of modules in the guest",
                                   kernel.version, hardware.boot_driver_word));
  }
  if (!kernel.has_nic_driver) {
    warnings.push_back(
        fmt::format("kernel {} has no {} driver: on current {} hardware it will have no network",
                    kernel.version, hardware.nic_drivers.front(), hardware.name));
  }
}

bool will_boot(const KernelReport& kernel) {
  return kernel.outcome != KernelOutcome::no_initrd && kernel.outcome != KernelOutcome::no_driver;
}

}  // namespace

Result<> add_drivers_to_initrds(GuestDisk& guest, const Hardware& hardware, ConversionReport& report) {
  const auto versions = TRY(guest.root().list("/lib/modules"), "listing the kernels");
  std::vector<std::string> warnings;
  for (const std::string& version : versions) {
    const bool installed = TRY(is_installed(guest, version), "kernel {}", version);
    if (!installed) continue;
    report.kernels.push_back(TRY(convert_kernel(guest, version, hardware), "kernel {}", version));
    warn_about(report.kernels.back(), hardware, warnings);
  }
  report.warnings.insert(report.warnings.end(), warnings.begin(), warnings.end());
  if (std::ranges::any_of(report.kernels, will_boot)) return {};
  return error(ErrorCode::failed_precondition, "no kernel of the guest could boot on {}: {}", hardware.name,
               warnings.empty() ? "none with its modules and an initrd is installed" : warnings.front());
}

namespace {

// The file as the machine had it when it left; nothing where it had none of that name.
Result<std::optional<FileInfo>> initrd_before(GuestDisk& before, const std::string& name) {
  const std::string path = before.boot_path(name);
  const bool there = TRY(before.boot().is_file(path));
  if (!there) return std::optional<FileInfo>();
  return std::optional(TRY(before.boot().info_followed(path)));
}

Result<> add_home_drivers(GuestDisk& now, const std::string& version, const std::string& initrd,
                          UndoReport& report) {
  const ModuleIndex index = TRY(read_index(now.root(), "/lib/modules/" + version));
  const Hardware& home = hardware_of(Platform::vmware);
  if (!has_any(index, home.boot_drivers)) {
    report.warnings.push_back(fmt::format(
        "kernel {} was installed on EC2 and has no driver of VMware's disks: it will not boot at home",
        version));
    return {};
  }
  std::vector<std::string> drivers = hardware_of(Platform::ec2).storage_drivers;
  drivers.insert(drivers.end(), home.storage_drivers.begin(), home.storage_drivers.end());
  KernelReport kernel;
  kernel.version = version;
  TRY(append_drivers(now, index, initrd, drivers, kernel));
  report.kernels.push_back(version);
  return {};
}

Result<> return_initrd(GuestDisk& now, GuestDisk& before, const std::string& version, UndoReport& report) {
  const std::string name = TRY(find_initrd(now, version));
  if (name.empty()) return {};
  const std::string path = now.boot_path(name);
  const auto original = TRY(original_length(now.boot(), path, version));
  const auto then = TRY(initrd_before(before, name));
  const FileInfo present = TRY(now.boot().info_followed(path));
  // As it left: a kernel that needed nothing, or one that had come home once before with the drivers of both.
  if (then && then->size_bytes == present.size_bytes && then->modified == present.modified) return {};
  if (original && then && then->size_bytes == *original) {
    TRY(now.boot().truncate(path, *original));
    report.restored.push_back("/boot/" + name);
    return {};
  }
  return original ? Result<>() : add_home_drivers(now, version, path, report);
}

}  // namespace

Result<> return_initrds(GuestDisk& now, GuestDisk& before, UndoReport& report) {
  const auto versions = TRY(now.root().list("/lib/modules"), "listing the kernels");
  for (const std::string& version : versions) {
    const bool installed = TRY(is_installed(now, version), "kernel {}", version);
    if (installed) TRY(return_initrd(now, before, version, report), "kernel {}", version);
  }
  return {};
}

namespace {

Result<> extend_initramfs_tools(Ext4Volume& root, const Hardware& hardware, ConversionReport& report) {
  const std::string path = "/etc/initramfs-tools/modules";
  const bool there = TRY(root.is_file(path));
  if (!there) return {};
  std::string text = TRY(root.read_text(path));
  const auto lines = split_lines(text);
  if (!text.empty() && text.back() != '\n') text += '\n';
  const std::size_t before = text.size();
  for (const std::string& driver : hardware.storage_drivers) {
    const bool listed =
        std::ranges::any_of(lines, [&](const std::string& line) { return trim(line) == driver; });
    if (!listed) text += driver + "\n";
  }
  if (text.size() == before) return {};
  TRY(root.replace(path, as_bytes(text)));
  report.changes.push_back(
      fmt::format("{} lists {}'s storage drivers, so that a new initrd has them, too", path, hardware.name));
  return {};
}

Result<> extend_dracut(Ext4Volume& root, const Hardware& hardware, ConversionReport& report) {
  const std::string folder = "/etc/dracut.conf.d";
  const std::string path = folder + "/99-rekindle.conf";
  const bool used = TRY(root.is_directory(folder));
  const bool there = TRY(root.is_file(path));
  if (!used || there) return {};
  std::string text = fmt::format("# Storage drivers of {}.\nadd_drivers+=\"", hardware.name);
  for (const std::string& driver : hardware.storage_drivers) text += " " + driver;
  TRY(root.create(path, as_bytes(text + " \"\n"), 0644));
  report.changes.push_back(
      fmt::format("{} lists {}'s storage drivers, so that a new initrd has them, too", path, hardware.name));
  return {};
}

}  // namespace

Result<> add_drivers_to_configuration(GuestDisk& guest, const Hardware& hardware, ConversionReport& report) {
  TRY(extend_initramfs_tools(guest.root(), hardware, report), "configuring initramfs-tools");
  TRY(extend_dracut(guest.root(), hardware, report), "configuring dracut");
  return {};
}

}  // namespace rekindle
