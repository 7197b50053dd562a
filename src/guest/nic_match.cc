#include "guest/nic_match.h"

#include <algorithm>

#include "guest/nic_setting.h"
#include "guest/text_lines.h"

namespace rekindle {

namespace {

bool line_fits(const IniLine& line, const CardToMatch& card) {
  if (line.section != "Match" || line.key.empty() || line.key == "Name") return true;
  const auto globs = split_words(line.value);
  if (line.key == "MACAddress" || line.key == "PermanentMACAddress")
    return !card.address.empty() && std::ranges::find(globs, card.address) != globs.end();
  if (line.key == "Driver") return glob_matches(globs, card.driver);
  if (line.key == "Type") return glob_matches(globs, "ether");
  if (line.key == "OriginalName") return glob_matches(globs, kernel_nic_name);
  if (line.key == "Path") return glob_matches(globs, "pci-0000:00:05.0");
  if (line.key == "Virtualization") return line.value.find("vmware") == std::string::npos;
  // What stays as it was.
  return line.key == "Host" || line.key == "Architecture" || line.key.starts_with("Kernel");
}

}  // namespace

bool match_fits(const std::vector<IniLine>& lines, const CardToMatch& card) {
  return std::ranges::all_of(lines, [&](const IniLine& line) { return line_fits(line, card); });
}

}  // namespace rekindle
