// [Match] of systemd's .link and .network files, asked of a network card that is not there yet.
#pragma once

#include <string>
#include <vector>

#include "guest/ini_lines.h"

namespace rekindle {

// As the kernel finds a card, before anybody gives it a name.
inline constexpr const char* kernel_nic_name = "eth0";

struct CardToMatch {
  std::string driver;   // "ena"
  std::string address;  // "06:00:00:00:00:01"; empty: not known
};

// Whether all that a file's [Match] asks for holds for the card; but for Name=, which only who names it
// knows. What is not understood does not hold: it is about a device that no card in a slot is.
bool match_fits(const std::vector<IniLine>& lines, const CardToMatch& card);

}  // namespace rekindle
