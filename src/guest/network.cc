#include "guest/network.h"

#include <algorithm>

#include "guest/network_files.h"

namespace rekindle {

namespace {

using Rewrite = NetworkEdit (*)(std::string_view, const NetworkRules&);

class NetworkAdapter {
 public:
  NetworkAdapter(Ext4Volume& root, const ConversionOptions& options, ConversionReport& report)
      : root_(root),
        options_(options),
        rules_{!options.keep_static_addresses, hardware_of(options.platform).link_drivers},
        report_(report) {}

  Result<> adapt() {
    TRY(rewrite_file("/etc/network/interfaces", rewrite_interfaces));
    TRY(rewrite_folder("/etc/network/interfaces.d", "", rewrite_interfaces));
    TRY(rewrite_folder("/etc/netplan", ".yaml", rewrite_netplan));
    TRY(rewrite_folder("/etc/systemd/network", ".network", rewrite_networkd));
    TRY(rewrite_folder("/etc/NetworkManager/system-connections", "", rewrite_network_manager));
    return name_nics();
  }

 private:
  Result<> rewrite_folder(const std::string& folder, std::string_view suffix, Rewrite rewrite) {
    const bool there = TRY(root_.is_directory(folder));
    if (!there) return {};
    const auto names = TRY(root_.list(folder));
    for (const std::string& name : names) {
      if (name.ends_with(suffix)) TRY(rewrite_file(fmt::format("{}/{}", folder, name), rewrite));
    }
    return {};
  }

  Result<> rewrite_file(const std::string& path, Rewrite rewrite) {
    const bool there = TRY(root_.is_file(path));
    if (!there) return {};
    const std::string text = TRY(root_.read_text(path));
    const NetworkEdit edit = rewrite(text, rules_);
    for (const std::string& name : edit.nic_names) {
      if (std::ranges::find(nic_names_, name) == nic_names_.end()) nic_names_.push_back(name);
    }
    for (const std::string& change : edit.changes)
      report_.changes.push_back(fmt::format("{}: {}", path, change));
    for (const std::string& warning : edit.warnings)
      report_.warnings.push_back(fmt::format("{}: {}", path, warning));
    if (edit.text == text) return {};
    TRY(keep_original(path, text));
    TRY(root_.replace(path, as_bytes(edit.text)));
    return {};
  }

  // Not next to the file: some of these folders are read whole, whatever the names in them.
  Result<> keep_original(const std::string& path, const std::string& text) {
    const std::string copy = "/var/lib/rekindle/before" + path;
    const bool there = TRY(root_.is_file(copy));
    if (there) return {};
    TRY(root_.make_directories(copy.substr(0, copy.rfind('/'))));
    TRY(root_.create(copy, as_bytes(text), 0600));
    return {};
  }

  Result<> name_nics() {
    if (!options_.nics.empty()) return name_by_address();
    if (nic_names_.size() == 1) {
      return write_link(nic_names_.front(), fmt::format("Driver={}\nType=ether", rules_.link_drivers));
    }
    if (nic_names_.size() > 1) {
      report_.warnings.push_back(
          fmt::format("the guest configures {} NICs ({}): give the addresses of the new ones, so that they "
                      "get these names",
                      nic_names_.size(), fmt::join(nic_names_, ", ")));
    }
    return {};
  }

  Result<> name_by_address() {
    auto next = nic_names_.begin();
    for (const NicName& nic : options_.nics) {
      std::string name = nic.name;
      if (name.empty() && next != nic_names_.end()) name = *next++;
      if (!name.empty() && !nic.mac_address.empty()) TRY(write_link(name, "MACAddress=" + nic.mac_address));
    }
    return {};
  }

  Result<> write_link(const std::string& name, const std::string& match) {
    const std::string folder = "/etc/systemd/network";
    const std::string path = fmt::format("{}/10-rekindle-{}.link", folder, name);
    const std::string text = fmt::format(
        "# Keeps the name that this system's configuration uses.\n[Match]\n{}\n\n[Link]\nName={}\n", match,
        name);
    const bool there = TRY(root_.is_file(path));
    if (there) {
      const std::string old = TRY(root_.read_text(path));
      if (old == text) return {};
      TRY(root_.replace(path, as_bytes(text)));
    } else {
      TRY(root_.make_directories(folder));
      TRY(root_.create(path, as_bytes(text), 0644));
    }
    report_.changes.push_back(
        fmt::format("{}: {}'s NIC is called {}", path, hardware_of(options_.platform).name, name));
    return {};
  }

  Ext4Volume& root_;
  const ConversionOptions& options_;
  NetworkRules rules_;
  ConversionReport& report_;
  std::vector<std::string> nic_names_;
};

}  // namespace

Result<> adapt_network(GuestDisk& guest, const ConversionOptions& options, ConversionReport& report) {
  return NetworkAdapter(guest.root(), options, report).adapt();
}

}  // namespace rekindle
