#include "vmware/vm_config_spec.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "vmware/disk_controllers.h"

namespace rekindle {

namespace {

constexpr std::string_view token_key = "rekindle.token";
constexpr int most_nics = 10;

// Keys of what is new are negative; they only tie the parts of one call together.
constexpr int first_disk_key = -1000;
constexpr int first_nic_key = -2000;

std::string element(std::string_view name, std::int64_t number) {
  return fmt::format("<{0}>{1}</{0}>", name, number);
}

std::string added(std::string_view how, std::string_view type, const std::string& device) {
  return fmt::format(
      R"(<deviceChange><operation>add</operation>{}<device xsi:type="{}">{}</device></deviceChange>)", how,
      type, device);
}

// The controllers that the disks need, and their keys.
using Controllers = std::map<std::pair<const ControllerKind*, int>, int>;

Controllers controllers_for(const std::vector<DiskPlace>& places) {
  Controllers controllers;
  for (const DiskPlace& place : places) controllers.emplace(std::pair(place.kind, place.bus), 0);
  int key = 0;
  for (auto& [controller, its_key] : controllers) its_key = --key;
  return controllers;
}

std::string controller_of(const ControllerKind& kind, int bus, int key) {
  std::string device = element("key", key) + element("busNumber", bus);
  if (kind.scsi) device += "<sharedBus>noSharing</sharedBus>";
  return added("", kind.type, device);
}

// "6000C29a-1234-...", "52de...-...": what vSphere takes as a uuid.
bool is_uuid(const std::string& text) {
  constexpr std::size_t length = 36;
  return text.size() == length && std::ranges::count(text, '-') == 4 &&
         std::ranges::all_of(text, [](unsigned char c) { return c == '-' || std::isxdigit(c) != 0; });
}

// Of what the new machine takes over from the one that is gone.
std::string uuid_element(const NewMachine& wanted, std::string_view name, const std::string& id) {
  return wanted.keep_ids && is_uuid(id) ? xml_element(name, id) : std::string();
}

std::string disk_of(const NewMachine& wanted, const DiskSpec& disk, int position, int controller, int unit,
                    const std::string& datastore) {
  const auto size_kb = static_cast<std::int64_t>((disk.size_bytes + kib - 1) / kib);
  return added(
      "<fileOperation>create</fileOperation>", "VirtualDisk",
      element("key", first_disk_key - position) + "<backing xsi:type=\"VirtualDiskFlatVer2BackingInfo\">" +
          xml_element("fileName", "[" + datastore + "]") +
          "<diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned>" +
          uuid_element(wanted, "uuid", disk.id.str()) + "</backing>" + element("controllerKey", controller) +
          element("unitNumber", unit) + element("capacityInKB", size_kb) +
          element("capacityInBytes", size_kb * static_cast<std::int64_t>(kib)));
}

// ESXi lets people give addresses of VMware's own only from 00:50:56:00 to 00:50:56:3f ("Setting a Static MAC
// Address"). One that it gave itself and that must be kept needs the check switched off.
bool passes_address_check(std::string address) {
  std::ranges::transform(address, address.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  if (address.starts_with("00:0c:29:") || address.starts_with("00:05:69:")) return false;
  return !address.starts_with("00:50:56:") || (address.size() > 9 && address[9] >= '0' && address[9] <= '3');
}

bool keeps_address(const NewMachine& wanted, const NicSpec& nic) {
  return wanted.keep_mac_addresses && !nic.mac_address.empty();
}

std::string nic_of(const NewMachine& wanted, const NicSpec& nic, int position, const Placement& placement) {
  std::string device = element("key", first_nic_key - position) +
                       placement.backings.at(mapped_network(wanted, nic)) +
                       "<connectable><startConnected>true</startConnected><allowGuestControl>true"
                       "</allowGuestControl><connected>true</connected></connectable>";
  if (keeps_address(wanted, nic)) {
    device += "<addressType>manual</addressType>" + xml_element("macAddress", nic.mac_address);
  } else {
    device += "<addressType>generated</addressType>";
  }
  return added("", "VirtualVmxnet3", device);
}

std::string extra_config(const NewMachine& wanted) {
  std::string options = extra_config_option(token_key, wanted.token);
  for (std::size_t i = 0; i < wanted.machine.nics.size(); ++i) {
    const NicSpec& nic = wanted.machine.nics[i];
    if (keeps_address(wanted, nic) && !passes_address_check(nic.mac_address))
      options += extra_config_option(fmt::format("ethernet{}.checkMACAddress", i), "FALSE");
  }
  return options;
}

std::string devices_of(const NewMachine& wanted, const Placement& placement) {
  const std::vector<DiskSpec> disks = disks_in_order(wanted.machine);
  const std::vector<DiskPlace> places = place_disks(wanted.machine);
  const Controllers controllers = controllers_for(places);
  std::string devices;
  for (const auto& [controller, key] : controllers)
    devices += controller_of(*controller.first, controller.second, key);
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const int key = controllers.at({places[i].kind, places[i].bus});
    devices += disk_of(wanted, disks[i], static_cast<int>(i), key, places[i].unit, placement.datastore);
  }
  int position = 0;
  for (const NicSpec& nic : wanted.machine.nics) devices += nic_of(wanted, nic, position++, placement);
  return devices;
}

std::string version_of(const Machine& machine) {
  return machine.hardware_version.empty() ? "" : xml_element("version", machine.hardware_version);
}

// One core a socket is what is made when nothing is said.
std::string cores_of(const Machine& machine) {
  const int cores = machine.cores_per_socket;
  return cores > 1 && machine.vcpus % cores == 0 ? element("numCoresPerSocket", cores) : "";
}

std::string boot_options(const Machine& machine) {
  if (machine.firmware != Firmware::uefi || !machine.secure_boot) return {};
  return "<bootOptions><efiSecureBootEnabled>true</efiSecureBootEnabled></bootOptions>";
}

}  // namespace

Result<> check_hardware(const Machine& machine) {
  const std::size_t most = most_disks(machine);
  if (machine.name.empty()) return error(ErrorCode::invalid_argument, "the new machine has no name");
  if (machine.disks.empty() || machine.disks.size() > most) {
    return error(ErrorCode::invalid_argument, "'{}' has {} disks; a machine has 1 to {}", machine.name,
                 machine.disks.size(), most);
  }
  if (machine.nics.size() > most_nics) {
    return error(ErrorCode::invalid_argument, "'{}' has {} network adapters; a machine has at most {}",
                 machine.name, machine.nics.size(), most_nics);
  }
  return {};
}

std::string vm_config_spec(const NewMachine& wanted, const Placement& placement) {
  const Machine& machine = wanted.machine;
  return "<config>" + xml_element("name", machine.name) + version_of(machine) +
         uuid_element(wanted, "uuid", machine.bios_uuid) +
         uuid_element(wanted, "instanceUuid", machine.id.str()) +
         xml_element("guestId", machine.guest_os.empty() ? "otherGuest64" : machine.guest_os) +
         xml_element("annotation", "Made by Rekindle, which knows it by " + std::string(token_key) +
                                       " in its configuration.") +
         "<files>" + xml_element("vmPathName", "[" + placement.datastore + "]") + "</files>" +
         element("numCPUs", machine.vcpus) + cores_of(machine) +
         element("memoryMB", static_cast<std::int64_t>(machine.memory_mib)) + devices_of(wanted, placement) +
         extra_config(wanted) + boot_options(machine) +
         "<changeTrackingEnabled>true</changeTrackingEnabled>" +
         xml_element("firmware", machine.firmware == Firmware::uefi ? "efi" : "bios") + "</config>";
}

std::string extra_config_option(std::string_view key, std::string_view value) {
  return fmt::format("<extraConfig>{}<value xsi:type=\"xsd:string\">{}</value></extraConfig>",
                     xml_element("key", key), xml_escape(value));
}

std::string extra_config_value(const ObjectProperties& properties, std::string_view key) {
  for (const XmlElement& option : properties.get("config.extraConfig").children("OptionValue")) {
    if (option.child("key").text() == key) return option.child("value").text();
  }
  return {};
}

std::string token_of(const ObjectProperties& properties) {
  return extra_config_value(properties, token_key);
}

}  // namespace rekindle
