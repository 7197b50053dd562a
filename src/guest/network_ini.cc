// The two forms with [sections]: systemd-networkd's .network files and NetworkManager's keyfiles.
#include <algorithm>
#include <set>

#include "guest/network_files.h"

namespace rekindle {

namespace {

struct IniLine {
  std::string raw;
  std::string section;  // "Match", without brackets
  std::string key;      // empty: a section's head, a blank, a comment
  std::string value;
  bool is_head = false;
};

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

const IniLine* find(const std::vector<IniLine>& lines, std::string_view section, std::string_view key) {
  const auto found = std::ranges::find_if(
      lines, [&](const IniLine& line) { return line.section == section && line.key == key; });
  return found == lines.end() ? nullptr : &*found;
}

std::string value_of(const std::vector<IniLine>& lines, std::string_view section, std::string_view key) {
  const IniLine* line = find(lines, section, key);
  return line == nullptr ? "" : line->value;
}

void insert_after_head(std::vector<IniLine>& lines, const std::string& section, const std::string& raw) {
  const auto head = std::ranges::find_if(
      lines, [&](const IniLine& line) { return line.is_head && line.section == section; });
  if (head != lines.end()) lines.insert(head + 1, IniLine{raw, section, "", "", false});
}

NetworkEdit finish(NetworkEdit edit, std::string_view text, const std::vector<IniLine>& lines) {
  edit.text = edit.changes.empty() ? std::string(text) : text_of(lines);
  return edit;
}

bool is_ipv4(std::string_view address) {
  return address.find(':') == std::string_view::npos;
}

// --- systemd-networkd

bool is_static_networkd(const IniLine& line) {
  static const std::set<std::string> sections = {"Address", "Route"};
  static const std::set<std::string> keys = {"Address", "Gateway", "DNS", "DHCP"};
  return sections.contains(line.section) || (line.section == "Network" && keys.contains(line.key));
}

bool has_static_ipv4(const std::vector<IniLine>& lines) {
  return std::ranges::any_of(
      lines, [](const IniLine& line) { return line.key == "Address" && is_ipv4(line.value); });
}

// --- NetworkManager

bool is_static_keyfile(const IniLine& line) {
  const bool address = line.key.starts_with("address") || line.key.starts_with("route");
  return line.section == "ipv4" &&
         (address || line.key == "gateway" || line.key == "dns" || line.key == "method");
}

}  // namespace

NetworkEdit rewrite_networkd(std::string_view text, const NetworkRules& rules) {
  NetworkEdit edit;
  auto lines = parse_ini(text);
  std::string name = value_of(lines, "Match", "Name");
  if (is_nic_name(name)) edit.nic_names.push_back(name);
  if (find(lines, "Match", "MACAddress") != nullptr) {
    std::erase_if(lines,
                  [](const IniLine& line) { return line.section == "Match" && line.key == "MACAddress"; });
    if (name.empty()) insert_after_head(lines, "Match", "Driver=" + std::string(rules.link_drivers));
    edit.changes.emplace_back("the NIC is not found by the address of its old card any more");
  }
  if (rules.static_to_dhcp && has_static_ipv4(lines)) {
    std::erase_if(lines, is_static_networkd);
    insert_after_head(lines, "Network", "DHCP=yes");
    edit.changes.push_back((name.empty() ? "the NIC" : name) +
                           " takes its address by DHCP instead of a static one");
  }
  return finish(std::move(edit), text, lines);
}

NetworkEdit rewrite_network_manager(std::string_view text, const NetworkRules& rules) {
  NetworkEdit edit;
  auto lines = parse_ini(text);
  const std::string type = value_of(lines, "connection", "type");
  if (type != "ethernet" && type != "802-3-ethernet") return finish(std::move(edit), text, lines);
  const std::string name = value_of(lines, "connection", "interface-name");
  if (is_nic_name(name)) edit.nic_names.push_back(name);
  const auto is_address_of_card = [](const IniLine& line) {
    return (line.section == "ethernet" || line.section == "802-3-ethernet") && line.key == "mac-address";
  };
  if (std::erase_if(lines, is_address_of_card) > 0) {
    edit.changes.emplace_back("the NIC is not found by the address of its old card any more");
  }
  if (rules.static_to_dhcp && value_of(lines, "ipv4", "method") == "manual") {
    std::erase_if(lines, is_static_keyfile);
    insert_after_head(lines, "ipv4", "method=auto");
    edit.changes.push_back((name.empty() ? "the NIC" : name) +
                           " takes its IPv4 address by DHCP instead of a static one");
  }
  return finish(std::move(edit), text, lines);
}

}  // namespace rekindle
