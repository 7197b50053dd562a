#include "guest/network_reading.h"

#include <algorithm>
#include <set>

namespace rekindle {

namespace {

// To be compared with whatever else the guest wrote.
constexpr std::size_t most_globs = 64;

// The devices that ifupdown brings up at boot.
class BroughtUp {
 public:
  void add(const std::string& glob) {
    if (glob.find_first_of("*?[") == std::string::npos) {
      names_.insert(glob);
    } else if (globs_.size() < most_globs) {
      globs_.push_back(glob);
    }
  }
  bool has(const std::string& device) const {
    return names_.contains(device) || (!globs_.empty() && glob_matches(globs_, device));
  }

 private:
  std::set<std::string> names_;
  std::vector<std::string> globs_;
};

class NetworkReader {
 public:
  NetworkReader(Ext4Volume& root, const ConversionOptions& options) : root_(root), options_(options) {}

  Result<NetworkReading> read() {
    const NetworkFiles files = TRY(find_network_files(root_, NetworkFileOwner::anyone));
    const NetworkRules rules = TRY(read_network_rules(root_, files, options_));
    for (const std::string& folder : files.crowded)
      reading_.left_out.push_back(
          fmt::format("{} has more than {} files of the network", folder, most_files_of_a_folder));
    for (const NetworkFile& file : files.files) {
      const std::string text = TRY(root_.read_text(file.path));
      add(file, file.rewrite(text, rules));
      if (count_ > most_network_settings) break;
    }
    if (count_ > most_network_settings)
      reading_.left_out.push_back(
          fmt::format("the guest has more than {} settings of its network", most_network_settings));
    finish_ifupdown();
    return std::move(reading_);
  }

 private:
  void add(const NetworkFile& file, const NetworkEdit& edit) {
    if (file.path == "/etc/network/interfaces") sources_ = edit.sources;
    sources_.resize(std::min(sources_.size(), most_globs));
    const bool sourced = file.path.starts_with("/etc/network/interfaces.d/");
    if (sourced && (sources_.empty() || !glob_matches(sources_, file.path))) return;
    if (!edit.renderer.empty()) reading_.renderer = edit.renderer;
    for (const std::string& glob : edit.brought_up) brought_up_.add(glob);
    auto& settings = reading_.settings[file.tool];
    settings.insert(settings.end(), edit.settings.begin(), edit.settings.end());
    count_ += edit.settings.size();
  }

  void finish_ifupdown() {
    auto& settings = reading_.settings[NetworkTool::ifupdown];
    for (NicSetting& setting : settings) setting.at_boot = brought_up_.has(setting.device);
    for (const std::string& source : sources_) {
      if (source.starts_with("/etc/network/interfaces.d")) continue;
      NicSetting unread;
      unread.device = source;
      unread.address = AddressSource::unknown;
      settings.push_back(unread);
    }
  }

  Ext4Volume& root_;
  const ConversionOptions& options_;
  NetworkReading reading_;
  std::vector<std::string> sources_;  // of ifupdown: what its first file reads as well
  BroughtUp brought_up_;
  std::size_t count_ = 0;
};

}  // namespace

Result<NetworkReading> read_network(Ext4Volume& root, const ConversionOptions& options) {
  return NetworkReader(root, options).read();
}

}  // namespace rekindle
