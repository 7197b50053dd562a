#include "guest/network.h"

#include <algorithm>

#include "guest/network_sources.h"

namespace rekindle {

namespace {

constexpr const char* link_folder = "/etc/systemd/network";

class NetworkAdapter {
 public:
  NetworkAdapter(Ext4Volume& root, const ConversionOptions& options, ConversionReport& report)
      : root_(root),
        options_(options),
        rules_{!options.keep_static_addresses, hardware_of(options.platform).link_drivers},
        report_(report) {}

  Result<> adapt() {
    GuestServices services(root_);
    const auto running = TRY(running_tools(root_, services));
    const auto files = TRY(find_network_files(root_));
    for (const NetworkFile& file : files) {
      const NetworkEdit edit = TRY(rewrite_file(file.path, file.rewrite));
      note(edit, running.contains(file.tool));
    }
    const auto rules = TRY(files_in(root_, "/etc/udev/rules.d", "", ".rules"));
    for (const std::string& path : rules) TRY(rewrite_file(path, rewrite_udev_rules));
    if (!running_nics_.empty()) nic_names_ = running_nics_;
    return name_nics();
  }

 private:
  // What no tool that runs reads was left by an earlier life of the guest.
  void note(const NetworkEdit& edit, bool runs) {
    for (const std::string& name : edit.nic_names) {
      add_once(nic_names_, name);
      if (runs) add_once(running_nics_, name);
    }
    if (gateway_device_.empty()) gateway_device_ = edit.gateway_device;
    settings_.insert(settings_.end(), edit.settings.begin(), edit.settings.end());
  }

  static void add_once(std::vector<std::string>& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }

  Result<NetworkEdit> rewrite_file(const std::string& path, NetworkRewrite rewrite) {
    const std::string text = TRY(root_.read_text(path));
    NetworkEdit edit = rewrite(text, rules_);
    for (const std::string& change : edit.changes)
      report_.changes.push_back(fmt::format("{}: {}", path, change));
    for (const std::string& warning : edit.warnings)
      report_.warnings.push_back(fmt::format("{}: {}", path, warning));
    if (edit.text == text) return edit;
    TRY(keep_original(path, text));
    TRY(root_.replace(path, as_bytes(edit.text)));
    return edit;
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
    if (nic_names_.empty()) return {};
    const std::string first = TRY(first_nic());
    if (nic_names_.size() > 1) {
      report_.warnings.push_back(
          fmt::format("the guest configures {} NICs ({}), and an instance starts with one, which will be {}",
                      nic_names_.size(), fmt::join(nic_names_, ", "), first));
    }
    return write_link(first, fmt::format("Driver={}\nType=ether", rules_.link_drivers));
  }

  // Of several the one that an earlier conversion chose, when the gateway was still in the files; else that
  // of the gateway.
  Result<std::string> first_nic() {
    constexpr std::size_t most = 16;  // no instance has more
    const std::vector<std::string> names(
        nic_names_.begin(),
        nic_names_.begin() + static_cast<std::ptrdiff_t>(std::min(nic_names_.size(), most)));
    for (const std::string& name : names) {
      const bool chosen = TRY(root_.is_file(link_path(name)));
      if (chosen) return name;
    }
    for (const std::string& name : names) {
      const auto devices = devices_over({name, rules_.driver()}, settings_);
      const auto is_gateway = [&](const Nic& device) { return device.name == gateway_device_; };
      if (std::ranges::any_of(devices, is_gateway)) return name;
    }
    return nic_names_.front();
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

  static std::string link_path(const std::string& name) {
    return fmt::format("{}/10-rekindle-{}.link", link_folder, name);
  }

  Result<> write_link(const std::string& name, const std::string& match) {
    const std::string path = link_path(name);
    const std::string text = fmt::format(
        "# Keeps the name that this system's configuration uses.\n[Match]\n{}\n\n[Link]\nName={}\n", match,
        name);
    const bool there = TRY(root_.is_file(path));
    if (there) {
      const std::string old = TRY(root_.read_text(path));
      if (old == text) return {};
      TRY(root_.replace(path, as_bytes(text)));
    } else {
      TRY(root_.make_directories(link_folder));
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
  std::vector<std::string> running_nics_;  // of these, what tools that run configure
  std::string gateway_device_;
  std::vector<NicSetting> settings_;
};

}  // namespace

Result<> adapt_network(GuestDisk& guest, const ConversionOptions& options, ConversionReport& report) {
  return NetworkAdapter(guest.root(), options, report).adapt();
}

}  // namespace rekindle
