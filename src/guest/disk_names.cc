#include "guest/disk_names.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "disk/memory_disk.h"

namespace rekindle {

namespace {

struct ClassicName {
  std::string disk_letter;
  std::string partition;  // digits, or empty
};

// "/dev/sda1", "/dev/vdb", "/dev/xvda2"
std::optional<ClassicName> parse_classic_name(std::string_view device) {
  for (const std::string_view prefix : {"/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd"}) {
    if (!device.starts_with(prefix)) continue;
    std::string_view rest = device.substr(prefix.size());
    const std::size_t letters = std::min(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), rest.size());
    const std::string_view digits = rest.substr(letters);
    const bool number = std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c) != 0; });
    if (letters == 0 || letters > 3 || !number || digits.size() > 3) return std::nullopt;
    return ClassicName{std::string(rest.substr(0, letters)), std::string(digits)};
  }
  return std::nullopt;
}

std::string key_of(const std::string& letter, int partition) {
  return partition == 0 ? letter : letter + std::to_string(partition);
}

// A disk that is only read, where a table is expected but any damage is its own problem, not the boot's.
Result<> add_data_disk(DiskNames& names, const std::string& letter, BlockSource& disk) {
  const auto table = read_partition_table(disk);
  if (!table.ok()) {
    if (table.error().code() == ErrorCode::corrupt) return {};
    return table.error();
  }
  for (const Partition& partition : table->partitions) {
    constexpr std::uint64_t probed_bytes = 70 * kib;
    Bytes head(std::min(partition.range.length, probed_bytes));
    TRY(disk.read_at(partition.range.offset, head));
    MemoryDisk start(std::move(head));
    const VolumeIdentity identity = TRY(probe_volume(start));
    names.add(letter, partition.number, identity);
  }
  return {};
}

}  // namespace

Result<DiskNames> DiskNames::of(const GuestDisk& guest, const ConversionOptions& options) {
  DiskNames names;
  for (const GuestVolume& volume : guest.volumes()) {
    if (volume.logical_volume.empty()) names.add("a", volume.partition, volume.identity);
  }
  char letter = 'b';
  for (BlockSource* disk : options.data_disks) {
    TRY(add_data_disk(names, std::string(1, letter), *disk), "reading disk {} of the machine",
        letter - 'a' + 1);
    if (letter++ == 'z') break;
  }
  return names;
}

void DiskNames::add(const std::string& disk_letter, int partition, const VolumeIdentity& identity) {
  if (!identity.uuid.empty()) uuid_of_[key_of(disk_letter, partition)] = identity.uuid;
}

bool DiskNames::is_hardware_name(std::string_view device) {
  return parse_classic_name(device) || device.starts_with("/dev/disk/by-path/") ||
         device.starts_with("/dev/disk/by-id/") || device.starts_with("/dev/sr") ||
         device.starts_with("/dev/fd") || device.starts_with("/dev/cdrom");
}

std::string DiskNames::stable_name(std::string_view device) const {
  const auto classic = parse_classic_name(device);
  if (!classic) return {};
  const auto found = uuid_of_.find(classic->disk_letter + classic->partition);
  return found == uuid_of_.end() ? "" : "UUID=" + found->second;
}

// --- fstab

namespace {

bool has_option(std::string_view options, std::string_view wanted) {
  const std::string padded = "," + std::string(options) + ",";
  return padded.find("," + std::string(wanted) + ",") != std::string::npos;
}

// Replaces the field with this index (0 is the first) and keeps the blanks around it.
std::string with_field(const std::string& line, std::size_t index, const std::string& value) {
  std::size_t at = line.find_first_not_of(" \t");
  for (std::size_t i = 0; i < index; ++i) at = line.find_first_not_of(" \t", line.find_first_of(" \t", at));
  const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
  return line.substr(0, at) + value + line.substr(end);
}

bool is_needed_to_boot(const std::string& mount_point) {
  return mount_point == "/" || mount_point == "/usr";
}

void rewrite_fstab_line(std::string& line, const DiskNames& names, TextEdit& edit) {
  const auto fields = split_words(line);
  if (fields.size() < 3 || fields[0].starts_with("#") || !DiskNames::is_hardware_name(fields[0])) return;
  const std::string stable = names.stable_name(fields[0]);
  if (!stable.empty()) {
    line = with_field(line, 0, stable);
    edit.changes.push_back(fmt::format("{} in /etc/fstab is now {}", fields[0], stable));
    return;
  }
  const std::string options = fields.size() > 3 ? fields[3] : "defaults";
  if (has_option(options, "noauto") || has_option(options, "nofail")) return;
  if (is_needed_to_boot(fields[1])) {
    edit.warnings.push_back(fmt::format(
        "/etc/fstab mounts {} from {}, a name that EC2 does not have: use its UUID", fields[1], fields[0]));
    edit.obstacles.push_back(edit.warnings.back());
    return;
  }
  if (fields.size() > 3) {
    line = with_field(line, 3, options + ",nofail");
  } else {
    line += " defaults,nofail";
  }
  edit.changes.push_back(fmt::format("{} in /etc/fstab may be absent now (nofail)", fields[0]));
  edit.warnings.push_back(fmt::format(
      "/etc/fstab: which disk {} will be on EC2 is not known; {} will not be there if the name is wrong",
      fields[0], fields[1] == "none" ? "its swap space" : fields[1]));
}

}  // namespace

TextEdit rewrite_fstab(std::string_view text, const DiskNames& names) {
  TextEdit edit;
  auto lines = split_lines(text);
  for (std::string& line : lines) rewrite_fstab_line(line, names, edit);
  edit.text = edit.changes.empty() ? std::string(text) : join_lines(lines);
  return edit;
}

// --- kernel arguments

namespace {

// The argument's value ends at a blank or a quote: it also stands in GRUB_CMDLINE_LINUX="...".
std::size_t end_of_value(std::string_view text, std::size_t at) {
  return std::min(text.find_first_of(" \t\n\r\"'", at), text.size());
}

bool starts_a_word(std::string_view text, std::size_t at) {
  return at == 0 || std::string_view(" \t\n\"'=").find(text[at - 1]) != std::string_view::npos;
}

void rewrite_argument(const std::string& argument, const DiskNames& names, TextEdit& edit) {
  for (std::size_t at = edit.text.find(argument); at != std::string::npos;
       at = edit.text.find(argument, at + 1)) {
    const std::size_t value_at = at + argument.size();
    if (!starts_a_word(edit.text, at)) continue;
    const std::string value = edit.text.substr(value_at, end_of_value(edit.text, value_at) - value_at);
    if (!DiskNames::is_hardware_name(value)) continue;
    const std::string stable = names.stable_name(value);
    if (stable.empty()) {
      edit.warnings.push_back(
          fmt::format("the kernel is told {}{}, a name that EC2 does not have", argument, value));
      if (argument == "root=") edit.obstacles.push_back(edit.warnings.back());
      continue;
    }
    edit.text.replace(value_at, value.size(), stable);
    const std::string change = fmt::format("{}{} is now {}{}", argument, value, argument, stable);
    if (std::ranges::find(edit.changes, change) == edit.changes.end()) edit.changes.push_back(change);
  }
}

Result<> apply(Ext4Volume& volume, const std::string& path, const std::string& shown_path,
               TextEdit (*rewrite)(std::string_view, const DiskNames&), const DiskNames& names,
               ConversionReport& report) {
  const bool there = TRY(volume.is_file(path));
  if (!there) return {};
  const std::string text = TRY(volume.read_text(path, 16 * mib));
  const TextEdit edit = rewrite(text, names);
  for (const std::string& change : edit.changes)
    report.changes.push_back(fmt::format("{}: {}", shown_path, change));
  for (const std::string& warning : edit.warnings)
    report.warnings.push_back(fmt::format("{}: {}", shown_path, warning));
  for (const std::string& obstacle : edit.obstacles)
    report.obstacles.push_back(fmt::format("{}: {}", shown_path, obstacle));
  if (edit.text != text) TRY(volume.replace(path, as_bytes(edit.text)));
  return {};
}

}  // namespace

TextEdit rewrite_kernel_arguments(std::string_view text, const DiskNames& names) {
  TextEdit edit{std::string(text), {}, {}, {}};
  rewrite_argument("root=", names, edit);
  rewrite_argument("resume=", names, edit);
  rewrite_argument("RESUME=", names, edit);
  return edit;
}

Result<> name_disks_by_uuid(GuestDisk& guest, const DiskNames& names, ConversionReport& report) {
  TRY(apply(guest.root(), "/etc/fstab", "/etc/fstab", rewrite_fstab, names, report));
  for (const std::string path :
       {"/etc/default/grub", "/etc/kernel/cmdline", "/etc/initramfs-tools/conf.d/resume"}) {
    TRY(apply(guest.root(), path, path, rewrite_kernel_arguments, names, report));
  }
  for (const std::string name : {"grub/grub.cfg", "grub2/grub.cfg"}) {
    TRY(apply(guest.boot(), guest.boot_path(name), "/boot/" + name, rewrite_kernel_arguments, names, report));
  }
  return {};
}

}  // namespace rekindle
