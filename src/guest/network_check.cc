#include "guest/network_check.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "guest/boot_arguments.h"
#include "guest/cloud_init.h"
#include "guest/network_reading.h"
#include "guest/nic_naming.h"

namespace rekindle {

namespace {

using Settings = std::vector<NicSetting>;

NetworkReadiness comes_up(std::string sentence) {
  return {NetworkVerdict::comes_up, std::move(sentence)};
}
NetworkReadiness not_known(std::string sentence) {
  return {NetworkVerdict::not_known, std::move(sentence)};
}
NetworkReadiness stays_down(std::string sentence) {
  return {NetworkVerdict::stays_down, std::move(sentence)};
}

// systemd-networkd takes the first file that fits a device; of the others all count.
Settings settings_for(const Nic& device, const Settings& all, NetworkTool tool) {
  Settings found;
  for (const NicSetting& setting : all) {
    if (!applies(setting, device)) continue;
    found.push_back(setting);
    if (tool == NetworkTool::networkd) break;
  }
  return found;
}

// What a tool asks for the card, and for the bridges and bonds over it.
Settings settings_over(const Nic& card, const Settings& all, NetworkTool tool) {
  Settings found;
  for (const Nic& device : devices_over(card, all)) {
    const Settings more = settings_for(device, all, tool);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

const NicSetting* find_address(const Settings& settings, AddressSource address) {
  const auto found =
      std::ranges::find_if(settings, [&](const NicSetting& setting) { return setting.address == address; });
  return found == settings.end() ? nullptr : &*found;
}

bool is_any_init(const std::string& path) {
  return path.empty() || path.ends_with("/systemd") || path.ends_with("/init") || path.ends_with("/upstart");
}

// The guest's disk is converted: what its files say is what it will do.
class NetworkCheck {
 public:
  NetworkCheck(GuestDisk& guest, const ConversionOptions& options)
      : guest_(guest), root_(guest.root()), options_(options), services_(guest.root()) {}

  Result<NetworkReadiness> judge() {
    const BootArguments arguments = TRY(read_boot_arguments(guest_));
    if (!is_any_init(arguments.init)) return judge_init(arguments.init);
    naming_ = TRY(name_of_first_nic(root_, options_, arguments.predictable_names));
    card_ = {naming_.name, hardware_of(options_.platform).nic_drivers.front()};
    running_ = TRY(running_tools(root_, services_));
    reading_ = TRY(read_network(root_, options_));
    if (!reading_.left_out.empty())
      return not_known(reading_.left_out.front() + ": what they say is not read to the end");
    const auto up = TRY(find_dhcp());
    if (up) return *up;
    const auto other = TRY(find_other_way());
    if (other) return *other;
    return why_not();
  }

 private:
  // A script that starts a client of DHCP is read no further than that.
  Result<NetworkReadiness> judge_init(const std::string& init) {
    constexpr std::uint64_t most_bytes = 256 * kib;
    const bool there = TRY(root_.is_file(init));
    const std::uint64_t length = there ? TRY(root_.size_of(init)) : 0;
    const std::string text = length <= most_bytes && there ? TRY(root_.read_text(init)) : std::string();
    for (const char* client : {"udhcpc", "dhclient", "dhcpcd"}) {
      if (text.starts_with("#!") && text.find(client) != std::string::npos)
        return comes_up(fmt::format("by DHCP ({} starts {})", init, client));
    }
    return not_known(fmt::format(
        "the guest starts with an init of its own ({}), and whether that brings the network up is not known",
        init));
  }

  Result<std::optional<NetworkReadiness>> find_dhcp() {
    for (const auto& [tool, settings] : reading_.settings) {
      if (!running_.contains(tool)) continue;
      for (const NicSetting& setting : settings_over(card_, settings, tool)) {
        if (setting.address != AddressSource::dhcp || !setting.at_boot) continue;
        missing_ = TRY(what_is_missing(tool, setting));
        if (!missing_.empty()) break;
        return std::optional(comes_up(fmt::format("{} by DHCP ({})", name_of(setting), to_string(tool))));
      }
    }
    return std::optional<NetworkReadiness>();
  }

  std::string name_of(const NicSetting& setting) const {
    return setting.ports.empty() ? card_.name : setting.device;
  }

  // Of what a tool needs to do as it is told. Empty: nothing.
  Result<std::string> what_is_missing(NetworkTool tool, const NicSetting& setting) {
    if (tool == NetworkTool::netplan) return missing_of_netplan(setting);
    if (tool == NetworkTool::ifupdown) {
      for (const char* folder : {"/sbin", "/usr/sbin", "/bin", "/usr/bin"}) {
        for (const char* client : {"dhclient", "udhcpc", "dhcpcd", "pump"}) {
          const bool there = TRY(root_.is_file(fmt::format("{}/{}", folder, client)));
          if (there) return std::string();
        }
      }
      return std::string(
          "ifupdown asks for an address by DHCP and the guest has no client for it: install isc-dhcp-client "
          "in the guest");
    }
    return std::string();
  }

  Result<std::string> missing_of_netplan(const NicSetting& setting) {
    const std::string renderer = setting.renderer.empty() ? reading_.renderer : setting.renderer;
    if (renderer == "NetworkManager") {
      if (running_.contains(NetworkTool::network_manager)) return std::string();
      return std::string(
          "netplan leaves the network to NetworkManager, which does not start with the guest: 'systemctl "
          "enable NetworkManager' there");
    }
    const bool can_networkd = TRY(services_.can_start("systemd-networkd"));
    if (can_networkd) return std::string();
    return std::string(
        "netplan leaves the network to systemd-networkd, which is not installed or masked: 'systemctl unmask "
        "systemd-networkd' there, or have netplan say 'renderer: NetworkManager'");
  }

  Result<std::optional<NetworkReadiness>> find_other_way() {
    const bool cloud = TRY(cloud_init_configures_network(root_, services_));
    if (cloud) return std::optional(comes_up(card_.name + " by DHCP (cloud-init)"));
    const bool by_itself = TRY(network_manager_asks_by_itself());
    if (by_itself)
      return std::optional(comes_up(card_.name + " by DHCP (NetworkManager, without a profile)"));
    for (const char* service : {"wicked", "connman", "dhcpcd", "netctl"}) {
      const bool starts = TRY(services_.starts(service));
      if (!starts) continue;
      return std::optional(not_known(
          fmt::format("{} brings the network up, and its configuration is not read here", service)));
    }
    return std::optional<NetworkReadiness>();
  }

  // It does so for every card that no profile and no other tool that runs names, unless it is told not to.
  // Those of ifupdown's files it leaves alone in any case.
  Result<bool> network_manager_asks_by_itself() {
    const auto mentioned = [&](const auto& tool) {
      const bool counts = running_.contains(tool.first) || tool.first == NetworkTool::ifupdown;
      return counts && !settings_over(card_, tool.second, tool.first).empty();
    };
    if (!running_.contains(NetworkTool::network_manager) || std::ranges::any_of(reading_.settings, mentioned))
      return false;
    for (const char* folder :
         {"/etc/NetworkManager", "/etc/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"}) {
      const auto files = TRY(files_in(root_, folder, "", ".conf"));
      for (const std::string& path : files) {
        // Ubuntu's, which netplan puts out of force where NetworkManager is to do the work.
        const bool overruled =
            reading_.renderer == "NetworkManager" && path.ends_with("/10-globally-managed-devices.conf");
        if (overruled) continue;
        const std::string text = TRY(root_.read_text(path));
        for (const char* refusal : {"no-auto-default", "unmanaged-devices", "managed=0"}) {
          if (text.find(refusal) != std::string::npos) return false;
        }
      }
    }
    return true;
  }

  NetworkReadiness why_not() const {
    if (!missing_.empty()) return stays_down(missing_);
    const auto left = what_is_left();
    if (left) return *left;
    for (const bool runs : {true, false}) {
      for (const auto& [tool, settings] : reading_.settings) {
        const Settings found = settings_over(card_, settings, tool);
        const NicSetting* asked = find_address(found, AddressSource::dhcp);
        if (running_.contains(tool) == runs && asked != nullptr) return not_at_boot(*asked, tool, runs);
      }
    }
    return not_configured();
  }

  // Of the card in what runs, and not DHCP.
  std::optional<NetworkReadiness> what_is_left() const {
    for (const auto& [tool, settings] : reading_.settings) {
      const bool runs = running_.contains(tool);
      const Settings found = settings_over(card_, settings, tool);
      if (runs && find_address(found, AddressSource::fixed) != nullptr)
        return not_known(
            fmt::format("{} keeps a static address ({}): it is reached only if the instance is "
                        "given the same",
                        card_.name, to_string(tool)));
      const NicSetting* unread = find_address(found, AddressSource::unknown);
      if (runs && unread != nullptr)
        return not_known(
            fmt::format("how {} is configured ({}) is not read here", unread->device, to_string(tool)));
    }
    return std::nullopt;
  }

  NetworkReadiness not_at_boot(const NicSetting& asked, NetworkTool tool, bool runs) const {
    if (runs) {
      return stays_down(
          fmt::format("{} is configured ({}) but not brought up at boot: have that done in the "
                      "guest",
                      name_of(asked), to_string(tool)));
    }
    return stays_down(
        fmt::format("{} is configured by {}, which is not installed or does not start with the "
                    "guest: install and enable it there",
                    name_of(asked), to_string(tool)));
  }

  NetworkReadiness not_configured() const {
    constexpr std::size_t most = 5;
    std::vector<std::string> names;
    for (const auto& [tool, settings] : reading_.settings) {
      if (!running_.contains(tool)) continue;
      if (!settings_over(card_, settings, tool).empty())
        return not_known(
            fmt::format("{} gets no IPv4 address of its own ({}), and what else brings the network "
                        "up is not known",
                        card_.name, to_string(tool)));
      for (const NicSetting& setting : settings) {
        const bool asks = setting.address != AddressSource::none && names.size() < most;
        if (asks && std::ranges::find(names, setting.device) == names.end()) names.push_back(setting.device);
      }
    }
    if (names.empty())
      return not_known("no configuration of a NIC was found, and what brings the network up is not known");
    return stays_down(fmt::format(
        "the NIC will be called {}{}, and the guest configures {}: configure {} there", card_.name,
        naming_.by.empty() ? "" : " by " + naming_.by, fmt::join(names, ", "), card_.name));
  }

  GuestDisk& guest_;
  Ext4Volume& root_;
  const ConversionOptions& options_;
  GuestServices services_;
  NicNaming naming_;
  Nic card_;
  std::set<NetworkTool> running_;
  NetworkReading reading_;
  std::string missing_;  // of what asks for an address by DHCP
};

}  // namespace

Result<NetworkReadiness> check_network(GuestDisk& guest, const ConversionOptions& options) {
  auto judged = NetworkCheck(guest, options).judge();
  if (judged.ok()) return judged;
  const bool about_guest = judged.error().code() == ErrorCode::corrupt ||
                           judged.error().code() == ErrorCode::not_found ||
                           judged.error().code() == ErrorCode::failed_precondition;
  if (!about_guest) return judged.error();
  return not_known("the guest's network configuration cannot be read: " + judged.error().message());
}

}  // namespace rekindle
