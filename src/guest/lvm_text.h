// LVM2's text form of metadata: sections, and keys with a value or a list (lvm.conf(5), "Syntax").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle {

struct LvmSection {
  std::map<std::string, std::vector<std::string>> values;  // a single value is a list of one
  std::map<std::string, LvmSection> sections;

  const LvmSection* section(const std::string& name) const;
  std::string text(const std::string& key) const;  // empty if there is none
  std::optional<std::uint64_t> number(const std::string& key) const;
};

std::optional<std::uint64_t> parse_number(std::string_view text);

// `corrupt` if it cannot be read, or nests deeper than metadata does.
Result<LvmSection> parse_lvm_text(std::string_view text);

}  // namespace rekindle
