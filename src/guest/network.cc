#include "guest/network.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "guest/network_reading.h"
#include "guest/nic_files.h"

namespace rekindle {

namespace {

bool is_about_the_guest(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::not_found ||
         error.code() == ErrorCode::failed_precondition;
}

class NetworkAdapter {
 public:
  NetworkAdapter(Ext4Volume& root, const ConversionOptions& options, ConversionReport& report)
      : root_(root), options_(options), report_(report) {}

  Result<> adapt() {
    GuestServices services(root_);
    running_ = TRY(or_warn(running_tools(root_, services), "what starts the network"));
    const NetworkFiles files = TRY(find_network_files(root_, NetworkFileOwner::administrator));
    rules_ = TRY(read_network_rules(root_, files, options_));
    for (const std::string& folder : files.crowded)
      report_.warnings.push_back(
          fmt::format("{} has more than {} files of the network, and the others were "
                      "left as they are",
                      folder, most_files_of_a_folder));
    TRY(rewrite_files(files.files));
    TRY(rewrite_rules());
    if (!running_nics_.empty()) nic_names_ = running_nics_;
    return name_nics();
  }

 private:
  // Of what is only looked at to choose a name, damage keeps no guest from being converted.
  template <typename T>
  Result<T> or_warn(Result<T> read, std::string_view what) {
    if (read.ok() || !is_about_the_guest(read.error())) return read;
    report_.warnings.push_back(fmt::format("{} cannot be read: {}", what, read.error().message()));
    return T();
  }

  Result<> rewrite_files(const std::vector<NetworkFile>& files) {
    std::size_t settings = 0;
    for (const NetworkFile& file : files) {
      if (settings > most_network_settings) {
        report_.warnings.push_back(
            fmt::format("the guest has more than {} settings of its network: {} and what comes after it were "
                        "left as they are",
                        most_network_settings, file.path));
        return {};
      }
      const std::string text = TRY(root_.read_text(file.path));
      const NetworkEdit edit = TRY(rewrite_file(file.path, text, file.rewrite));
      note(edit, running_.contains(file.tool));
      settings += edit.settings.size();
    }
    return {};
  }

  Result<> rewrite_rules() {
    auto rules = TRY(or_warn(files_in(root_, "/etc/udev/rules.d", "", ".rules"), "/etc/udev/rules.d"));
    rules.resize(std::min(rules.size(), most_files_of_a_folder));
    for (const std::string& path : rules) {
      if (path == nic_rules_path) continue;
      const std::string text = TRY(or_warn(root_.read_text(path), path));
      TRY(rewrite_file(path, text, rewrite_udev_rules));
    }
    return {};
  }

  // What no tool that runs reads was left by an earlier life of the guest.
  void note(const NetworkEdit& edit, bool runs) {
    for (const std::string& name : edit.nic_names) {
      add_once(nic_names_, name);
      if (runs) add_once(running_nics_, name);
    }
    if (!edit.gateway_device.empty()) add_once(gateway_devices_, edit.gateway_device);
  }

  static void add_once(std::vector<std::string>& names, const std::string& name) {
    constexpr std::size_t most = 64;
    if (names.size() < most && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }

  Result<NetworkEdit> rewrite_file(const std::string& path, const std::string& text, NetworkRewrite rewrite) {
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
    const std::string copy = originals_folder + path;
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
    return write_names({{first, "", rules_.link_drivers}});
  }

  // Of several the one that an earlier conversion chose, when the gateway was still in the files; else that
  // of the gateway; else one that asks for an address at boot.
  Result<std::string> first_nic() {
    constexpr std::size_t most = 16;  // no instance has more
    const std::vector<std::string> names(
        nic_names_.begin(),
        nic_names_.begin() + static_cast<std::ptrdiff_t>(std::min(nic_names_.size(), most)));
    for (const std::string& name : names) {
      const bool chosen = TRY(root_.is_file(link_path_of(name)));
      if (chosen) return name;
    }
    if (names.size() == 1) return names.front();
    const auto settings = TRY(settings_that_count());
    for (const bool way_out : {true, false}) {
      for (const std::string& name : names)
        if (comes_up(name, settings, way_out)) return name;
    }
    return nic_names_.front();
  }

  // Of the tools that run; of all, if none that configures a NIC does.
  Result<std::vector<NicSetting>> settings_that_count() {
    const NetworkReading reading = TRY(or_warn(read_network(root_, options_), "the network's configuration"));
    std::vector<NicSetting> settings;
    for (const auto& [tool, its] : reading.settings) {
      if (running_nics_.empty() || running_.contains(tool))
        settings.insert(settings.end(), its.begin(), its.end());
    }
    return settings;
  }

  // At boot: with the way out that it had by a static address (way_out), or by DHCP.
  bool comes_up(const std::string& name, const std::vector<NicSetting>& settings, bool way_out) const {
    const auto devices = devices_over({name, rules_.driver()}, settings);
    return std::ranges::any_of(devices, [&](const Nic& device) {
      if (way_out && std::ranges::find(gateway_devices_, device.name) == gateway_devices_.end()) return false;
      return std::ranges::any_of(settings, [&](const NicSetting& setting) {
        return setting.at_boot && applies(setting, device) &&
               (way_out || setting.address == AddressSource::dhcp);
      });
    });
  }

  Result<> name_by_address() {
    auto next = nic_names_.begin();
    std::vector<NicToName> nics;
    for (const NicName& nic : options_.nics) {
      std::string name = nic.name;
      if (name.empty() && next != nic_names_.end()) name = *next++;
      if (is_nic_name(name) && !nic.mac_address.empty()) nics.push_back({name, nic.mac_address, ""});
    }
    return write_names(nics);
  }

  Result<> write_names(const std::vector<NicToName>& nics) {
    if (nics.empty()) return {};
    std::vector<std::string> names;
    for (const NicToName& nic : nics) {
      names.push_back(nic.name);
      TRY(write_file(link_path_of(nic.name), link_text_of(nic), nic.name));
    }
    return write_file(nic_rules_path, nic_rules_text_of(nics), fmt::format("{}", fmt::join(names, ", ")));
  }

  Result<> write_file(const std::string& path, const std::string& text, const std::string& names) {
    const bool there = TRY(root_.is_file(path));
    if (there) {
      const std::string old = TRY(root_.read_text(path));
      if (old == text) return {};
      TRY(root_.replace(path, as_bytes(text)));
    } else {
      TRY(root_.make_directories(path.substr(0, path.rfind('/'))));
      TRY(root_.create(path, as_bytes(text), 0644));
    }
    report_.changes.push_back(
        fmt::format("{}: {}'s NIC is called {}", path, hardware_of(options_.platform).name, names));
    return {};
  }

  Ext4Volume& root_;
  const ConversionOptions& options_;
  NetworkRules rules_;
  ConversionReport& report_;
  std::vector<std::string> nic_names_;
  std::vector<std::string> running_nics_;  // of these, what tools that run configure
  std::vector<std::string> gateway_devices_;
  std::set<NetworkTool> running_;
};

}  // namespace

Result<> adapt_network(GuestDisk& guest, const ConversionOptions& options, ConversionReport& report) {
  return NetworkAdapter(guest.root(), options, report).adapt();
}

}  // namespace rekindle
