// Configuration files with [sections], line by line, so that what is not understood stays as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

struct IniLine {
  std::string raw;
  std::string section;  // "Match", without brackets
  std::string key;      // empty: a section's head, a blank, a comment
  std::string value;
  bool is_head = false;
};

std::vector<IniLine> parse_ini(std::string_view text);
std::string text_of(const std::vector<IniLine>& lines);

// The first line with this key; null: there is none.
const IniLine* find_line(const std::vector<IniLine>& lines, std::string_view section, std::string_view key);
// Its value; empty: there is none.
std::string value_of(const std::vector<IniLine>& lines, std::string_view section, std::string_view key);

// Nothing happens where the file has no such section.
void insert_after_head(std::vector<IniLine>& lines, const std::string& section, const std::string& raw);

}  // namespace rekindle
