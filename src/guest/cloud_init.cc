#include "guest/cloud_init.h"

#include <algorithm>

#include "guest/network_sources.h"

namespace rekindle {

namespace {

struct CloudSettings {
  bool network_disabled = false;
  bool looks_for_ec2 = true;
};

std::string without_blanks(std::string_view line) {
  std::string text(line.substr(0, line.find('#')));
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
  return text;
}

// YAML in the ways in which these two settings are written: on one line, or with what belongs to a key below
// it. The last file that says something holds.
void read_settings(std::string_view text, CloudSettings& settings) {
  std::string key;  // whose lines these are
  for (const std::string& raw : split_lines(text)) {
    const std::string line = without_blanks(raw);
    if (line.empty()) continue;
    const bool top = raw.front() != ' ' && raw.front() != '\t' && !line.starts_with("-");
    if (top) {
      key = line.substr(0, line.find(':'));
      if (key == "datasource_list") settings.looks_for_ec2 = false;
    }
    if (key == "network" && line.find("config:disabled") != std::string::npos)
      settings.network_disabled = true;
    if (key == "datasource_list" && line.find("Ec2") != std::string::npos) settings.looks_for_ec2 = true;
  }
}

}  // namespace

Result<bool> cloud_init_configures_network(Ext4Volume& root, GuestServices& services) {
  const bool installed = TRY(root.is_file("/usr/bin/cloud-init"));
  const bool disabled = TRY(root.is_file("/etc/cloud/cloud-init.disabled"));
  if (!installed || disabled) return false;
  const bool starts = TRY(services.starts("cloud-init-local"));
  if (!starts) return false;
  CloudSettings settings;
  auto files = TRY(files_in(root, "/etc/cloud", "cloud", ".cfg"));
  const auto more = TRY(files_in(root, "/etc/cloud/cloud.cfg.d", "", ".cfg"));
  files.insert(files.end(), more.begin(), more.end());
  for (const std::string& path : files) {
    const std::string text = TRY(root.read_text(path));
    read_settings(text, settings);
  }
  return settings.looks_for_ec2 && !settings.network_disabled;
}

}  // namespace rekindle
