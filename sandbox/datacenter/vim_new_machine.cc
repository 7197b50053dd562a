#include "sandbox/datacenter/vim_new_machine.h"

#include <algorithm>
#include <charconv>

#include "sandbox/datacenter/vim_call.h"
#include "sandbox/datacenter/vim_machine.h"

namespace rekindle::sandbox {

namespace {

using Names = std::vector<std::string>;

// The order of the schema, 6.7.
const Names config_names = {"changeVersion",
                            "name",
                            "version",
                            "createDate",
                            "uuid",
                            "instanceUuid",
                            "locationId",
                            "guestId",
                            "alternateGuestName",
                            "annotation",
                            "files",
                            "tools",
                            "flags",
                            "consolePreferences",
                            "powerOpInfo",
                            "numCPUs",
                            "numCoresPerSocket",
                            "memoryMB",
                            "memoryHotAddEnabled",
                            "cpuHotAddEnabled",
                            "cpuHotRemoveEnabled",
                            "deviceChange",
                            "cpuAllocation",
                            "memoryAllocation",
                            "latencySensitivity",
                            "cpuAffinity",
                            "memoryAffinity",
                            "extraConfig",
                            "swapPlacement",
                            "bootOptions",
                            "vAppConfig",
                            "ftInfo",
                            "changeTrackingEnabled",
                            "firmware",
                            "maxMksConnections"};
const Names known_config = {"name",
                            "uuid",
                            "instanceUuid",
                            "version",
                            "guestId",
                            "annotation",
                            "files",
                            "numCPUs",
                            "numCoresPerSocket",
                            "memoryMB",
                            "deviceChange",
                            "extraConfig",
                            "bootOptions",
                            "changeTrackingEnabled",
                            "firmware"};
const Names change_names = {"operation", "fileOperation", "device", "profile", "backing"};
const Names device_names = {"key",      "deviceInfo",    "backing",   "connectable",
                            "slotInfo", "controllerKey", "unitNumber"};
const Names flat_names = {"fileName",     "datastore",       "backingObjectId", "diskMode", "split",
                          "writeThrough", "thinProvisioned", "eagerlyScrub",    "uuid"};

Names with(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

std::int64_t number_in(const pugi::xml_node& node, std::string_view name) {
  const std::string text = child_text(node, name);
  std::int64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  return end.ptr == text.data() + text.size() ? number : 0;
}

class Reader {
 public:
  explicit Reader(const pugi::xml_node& config) : config_(config) {}

  std::variant<MachineRecord, Fault> read() {
    check_order(config_, config_names);
    for (const pugi::xml_node& wish : config_.children()) check_known(wish);
    read_words();
    for (const pugi::xml_node& change : children(config_, "deviceChange")) read_change(change);
    if (!fault_ && controllers_ != 1)
      refuse("NotSupported", "This host gives a virtual machine one disk controller.");
    if (!fault_ && nics_ != 1)
      refuse("NotSupported", "This host gives a virtual machine one network adapter.");
    if (!fault_ && (record_.disks.empty() || record_.disks.size() > 6))
      refuse("NotSupported", "This host gives a virtual machine 1 to 6 disks.");
    if (fault_) return *fault_;
    return record_;
  }

 private:
  void refuse(const std::string& type, const std::string& message) {
    if (!fault_) fault_ = Fault{type, message, {}};
  }
  void refuse_device(const std::string& why) { refuse("InvalidDeviceSpec", "Invalid device: " + why); }

  void check_order(const pugi::xml_node& node, const Names& names) {
    if (!fault_) fault_ = misplaced_element(node, names);
  }

  void check_known(const pugi::xml_node& wish) {
    const std::string name = wish.name();
    const std::string local = name.substr(name.find(':') + 1);
    if (wish.type() != pugi::node_element || std::ranges::find(known_config, local) != known_config.end())
      return;
    refuse("NotSupported", "This host cannot give '" + local + "' to a new virtual machine.");
  }

  // "[datastore1]", with nothing behind it: the host names the files.
  void check_place(const std::string& path) {
    if (path != fmt::format("[{}]", datastore_name) && path != fmt::format("[{}] ", datastore_name))
      refuse("InvalidDatastorePath", "Invalid datastore path '" + path + "'.");
  }

  // "vmx-14" is the newest of ESXi 6.7.
  void check_version(const std::string& version) {
    if (version.empty()) return;
    const std::string digits = version.starts_with("vmx-") ? version.substr(4) : "";
    int number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (number < 4 || number > 14)
      refuse("VirtualHardwareVersionNotSupported", "This host has no hardware version '" + version + "'.");
  }

  void read_words() {
    record_.name = child_text(config_, "name");
    record_.uuid = child_text(config_, "uuid");
    record_.instance_uuid = child_text(config_, "instanceUuid");
    check_version(child_text(config_, "version"));
    if (child_flag(child(config_, "bootOptions"), "efiSecureBootEnabled"))
      refuse("NotSupported", "This host's firmware knows no secure boot.");
    if (const std::string guest = child_text(config_, "guestId"); !guest.empty()) record_.guest_id = guest;
    check_place(child_text(child(config_, "files"), "vmPathName"));
    record_.vcpus = static_cast<int>(std::max<std::int64_t>(number_in(config_, "numCPUs"), 1));
    record_.memory_mib = static_cast<int>(number_in(config_, "memoryMB"));
    if (record_.memory_mib < 4) fault_ = fault_ ? fault_ : invalid_argument("memoryMB");
    for (const pugi::xml_node& option : children(config_, "extraConfig"))
      record_.extra_config[child_text(option, "key")] = child_text(option, "value");
    record_.change_tracking_enabled = child_flag(config_, "changeTrackingEnabled");
    const std::string firmware = child_text(config_, "firmware");
    if (!firmware.empty() && firmware != "bios" && firmware != "efi") refuse("InvalidArgument", "firmware");
    record_.firmware = firmware == "efi" ? "uefi" : "bios";
  }

  void read_change(const pugi::xml_node& change) {
    check_order(change, change_names);
    const pugi::xml_node device = child(change, "device");
    const std::string type = type_of(device);
    if (child_text(change, "operation") != "add")
      return refuse_device("only 'add' makes sense for what is new");
    if (type == "ParaVirtualSCSIController") return read_controller(device, "pvscsi");
    if (type == "VirtualAHCIController") return read_controller(device, "ahci");
    if (type == "VirtualDisk") return read_disk(change, device);
    if (type == "VirtualVmxnet3") return read_nic(device);
    refuse("NotSupported", "This host has no '" + type + "'.");
  }

  void read_controller(const pugi::xml_node& device, const char* kind) {
    check_order(device, with(device_names,
                             {"busNumber", "device", "hotAddRemove", "sharedBus", "scsiCtlrUnitNumber"}));
    if (kind == std::string_view("pvscsi") && child_text(device, "sharedBus") != "noSharing")
      refuse_device("sharedBus");
    ++controllers_;
    record_.disk_controller = kind;
    controller_key_ = number_in(device, "key");
  }

  void read_disk(const pugi::xml_node& change, const pugi::xml_node& device) {
    check_order(device,
                with(device_names, {"capacityInKB", "capacityInBytes", "shares", "storageIOAllocation"}));
    const pugi::xml_node backing = child(device, "backing");
    check_order(backing, flat_names);
    if (child_text(change, "fileOperation") != "create") refuse_device("fileOperation must be 'create'");
    if (type_of(backing) != "VirtualDiskFlatVer2BackingInfo") refuse_device("backing");
    if (child_text(backing, "diskMode") != "persistent") refuse_device("diskMode");
    check_place(child_text(backing, "fileName"));
    const std::int64_t unit = number_in(device, "unitNumber");
    if (controllers_ == 0 || number_in(device, "controllerKey") != controller_key_)
      refuse_device("controllerKey");
    const int key = 2000 + static_cast<int>(unit);
    if (unit < 0 || unit > 5 || record_.find_disk(key) != nullptr) refuse_device("unitNumber");
    std::int64_t bytes = number_in(device, "capacityInBytes");
    if (bytes == 0) bytes = number_in(device, "capacityInKB") * 1024;
    if (bytes <= 0 || bytes / 1024 != number_in(device, "capacityInKB")) refuse_device("capacityInKB");
    record_.disks.push_back({key, static_cast<std::uint64_t>(bytes), child_text(backing, "uuid"), {}});
    std::ranges::sort(record_.disks, {}, &DiskRecord::key);
  }

  void read_nic(const pugi::xml_node& device) {
    check_order(device, with(device_names, {"addressType", "macAddress", "wakeOnLanEnabled"}));
    const pugi::xml_node backing = child(device, "backing");
    const std::string network = child_text(backing, "deviceName");
    if (type_of(backing) != "VirtualEthernetCardNetworkBackingInfo" ||
        (network != default_network && network != isolated_network))
      refuse("InvalidDeviceBacking", "Invalid backing for device: no network '" + network + "'.");
    record_.network = network;
    if (child_text(device, "addressType") == "manual") record_.mac = child_text(device, "macAddress");
    ++nics_;
  }

  const pugi::xml_node config_;
  MachineRecord record_;
  std::optional<Fault> fault_;
  int controllers_ = 0;
  int nics_ = 0;
  std::int64_t controller_key_ = 0;
};

}  // namespace

std::variant<MachineRecord, Fault> read_new_machine(const pugi::xml_node& config) {
  return Reader(config).read();
}

}  // namespace rekindle::sandbox
