#include "guest/nic_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "guest/text_lines.h"

namespace rekindle {

namespace {

constexpr std::string_view reason = "# Keeps the name that this system's configuration uses.\n";

std::string rule_of(std::string_view key, std::string_view value, std::string_view name) {
  return fmt::format("SUBSYSTEM==\"net\", ACTION==\"add\", {}==\"{}\", NAME=\"{}\"\n", key, value, name);
}

// As the kernel writes it.
std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace

std::string link_path_of(const std::string& nic) {
  return fmt::format("/etc/systemd/network/10-rekindle-{}.link", nic);
}

std::string link_text_of(const NicToName& nic) {
  const std::string match =
      nic.address.empty() ? fmt::format("Driver={}\nType=ether", nic.drivers) : "MACAddress=" + nic.address;
  return fmt::format("{}[Match]\n{}\n\n[Link]\nName={}\n", reason, match, nic.name);
}

std::string nic_rules_text_of(const std::vector<NicToName>& nics) {
  std::string text(reason);
  for (const NicToName& nic : nics) {
    if (!nic.address.empty()) {
      text += rule_of("ATTR{address}", lower(nic.address), nic.name);
      continue;
    }
    for (const std::string& driver : split_words(nic.drivers)) text += rule_of("DRIVERS", driver, nic.name);
  }
  return text;
}

}  // namespace rekindle
