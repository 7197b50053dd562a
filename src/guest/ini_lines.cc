#include "guest/ini_lines.h"

#include <algorithm>

#include "guest/text_lines.h"

namespace rekindle {

std::vector<IniLine> parse_ini(std::string_view text) {
  std::vector<IniLine> lines;
  std::string section;
  for (const std::string& raw : split_lines(text)) {
    const std::string_view body = trim(raw);
    IniLine line{raw, section, "", "", false};
    const std::size_t equals = body.find('=');
    if (body.starts_with("[") && body.ends_with("]")) {
      section = body.substr(1, body.size() - 2);
      line.section = section;
      line.is_head = true;
    } else if (!body.empty() && body.front() != '#' && body.front() != ';' &&
               equals != std::string_view::npos) {
      line.key = trim(body.substr(0, equals));
      line.value = trim(body.substr(equals + 1));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string text_of(const std::vector<IniLine>& lines) {
  std::vector<std::string> raw;
  for (const IniLine& line : lines) raw.push_back(line.raw);
  return join_lines(raw);
}

const IniLine* find_line(const std::vector<IniLine>& lines, std::string_view section, std::string_view key) {
  const auto found = std::ranges::find_if(
      lines, [&](const IniLine& line) { return line.section == section && line.key == key; });
  return found == lines.end() ? nullptr : &*found;
}

std::string value_of(const std::vector<IniLine>& lines, std::string_view section, std::string_view key) {
  const IniLine* line = find_line(lines, section, key);
  return line == nullptr ? "" : line->value;
}

void insert_after_head(std::vector<IniLine>& lines, const std::string& section, const std::string& raw) {
  const auto head = std::ranges::find_if(
      lines, [&](const IniLine& line) { return line.is_head && line.section == section; });
  if (head != lines.end()) lines.insert(head + 1, IniLine{raw, section, "", "", false});
}

}  // namespace rekindle
