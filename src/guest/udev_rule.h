// A line of udev(7)'s rules: what must hold (==), and what is done then (=).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

struct UdevTerm {
  std::string key;    // "ATTR{address}"
  std::string op;     // "==", "!=", "=", "+=", ":="
  std::string value;  // without its quotes
};

// None for blanks, comments, and what is no rule.
std::vector<UdevTerm> parse_udev_rule(std::string_view line);

// The name that a rule gives to network cards; empty: it gives none.
std::string nic_name_given_by(const std::vector<UdevTerm>& rule);

// Whether it holds for a card by its address or slot, as nothing but that card has.
bool is_about_one_card(const std::vector<UdevTerm>& rule);

}  // namespace rekindle
