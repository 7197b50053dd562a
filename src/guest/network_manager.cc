// NetworkManager's keyfiles.
#include <algorithm>
#include <set>

#include "guest/ini_lines.h"
#include "guest/network_files.h"

namespace rekindle {

namespace {

using Lines = std::vector<IniLine>;

bool is_one_of(std::string_view word, const std::set<std::string, std::less<>>& words) {
  return words.contains(word);
}

bool is_static(const IniLine& line) {
  const bool address = line.key.starts_with("address") || line.key.starts_with("route");
  return line.section == "ipv4" &&
         (address || line.key == "gateway" || line.key == "dns" || line.key == "method");
}

bool is_ethernet_section(const IniLine& line) {
  return line.section == "ethernet" || line.section == "802-3-ethernet";
}

// "ens192;ens224;"
std::vector<std::string> split_list(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == ';' || c == ','; }, ' ');
  return split_words(text);
}

bool finds_old_card(const IniLine& line, const NetworkRules& rules) {
  if (is_ethernet_section(line)) return line.key == "mac-address";
  if (line.section != "match") return false;
  return line.key == "path" || (line.key == "driver" && rules.is_old_card(split_list(line.value)));
}

bool is_borrowed_address(const IniLine& line) {
  if (line.section == "bridge") return line.key == "mac-address";
  return is_ethernet_section(line) && line.key == "cloned-mac-address" &&
         !is_one_of(line.value, {"preserve", "permanent"});
}

AddressSource address_of(const Lines& lines) {
  const std::string method = value_of(lines, "ipv4", "method");
  if (method.empty() || method == "auto") return AddressSource::dhcp;
  return method == "manual" ? AddressSource::fixed : AddressSource::none;
}

NicSetting setting_of(const Lines& lines, bool is_ethernet) {
  NicSetting setting;
  const std::string name = value_of(lines, "connection", "interface-name");
  setting.device = name.empty() ? value_of(lines, "connection", "id") : name;
  if (!name.empty()) setting.names.push_back(name);
  if (name.empty()) setting.names = split_list(value_of(lines, "match", "interface-name"));
  // Ports call a bridge or bond by either.
  if (!is_ethernet) setting.names.push_back(value_of(lines, "connection", "uuid"));
  setting.drivers = split_list(value_of(lines, "match", "driver"));
  setting.at_boot = value_of(lines, "connection", "autoconnect") != "false";
  setting.master = value_of(lines, "connection", "master");
  if (setting.master.empty()) setting.master = value_of(lines, "connection", "controller");
  setting.address = setting.master.empty() ? address_of(lines) : AddressSource::none;
  return setting;
}

bool has_gateway(const Lines& lines) {
  return std::ranges::any_of(lines, [](const IniLine& line) {
    const bool in_address = line.key.starts_with("address") && line.value.find(',') != std::string::npos;
    return line.section == "ipv4" && (line.key == "gateway" || in_address);
  });
}

// A bridge that no profile is a port of has no card below it: docker0, virbr0.
bool has_ports(const Lines& lines, const NetworkRules& rules) {
  const std::string uuid = value_of(lines, "connection", "uuid");
  const std::string name = value_of(lines, "connection", "interface-name");
  return (!uuid.empty() && rules.masters.contains(uuid)) || (!name.empty() && rules.masters.contains(name));
}

void edit_profile(Lines& lines, const std::string& name, const NetworkRules& rules, NetworkEdit& edit) {
  const auto about_old_card = [&](const IniLine& line) { return finds_old_card(line, rules); };
  if (std::erase_if(lines, about_old_card) > 0)
    edit.changes.emplace_back("the NIC is not found by the address of its old card any more");
  if (std::erase_if(lines, is_borrowed_address) > 0) edit.changes.emplace_back(own_address_kept);
  if (!rules.static_to_dhcp || value_of(lines, "ipv4", "method") != "manual") return;
  if (has_gateway(lines)) edit.gateway_device = name;
  std::erase_if(lines, is_static);
  insert_after_head(lines, "ipv4", "method=auto");
  edit.changes.push_back((name.empty() ? "the NIC" : name) +
                         " takes its IPv4 address by DHCP instead of a static one");
}

// A profile for the cards of some other driver is not touched.
bool is_about_new_card(const Lines& lines, const NetworkRules& rules) {
  const auto drivers = split_list(value_of(lines, "match", "driver"));
  return rules.is_old_card(drivers) || glob_matches(drivers, rules.driver());
}

}  // namespace

NetworkEdit rewrite_network_manager(std::string_view text, const NetworkRules& rules) {
  NetworkEdit edit;
  edit.text = std::string(text);
  auto lines = parse_ini(text);
  const std::string type = value_of(lines, "connection", "type");
  const bool is_ethernet = is_one_of(type, {"ethernet", "802-3-ethernet"});
  if (!is_ethernet && !is_one_of(type, {"bridge", "bond", "team"})) return edit;
  const std::string name = value_of(lines, "connection", "interface-name");
  const bool ours = is_ethernet ? is_about_new_card(lines, rules) : has_ports(lines, rules);
  if (ours && is_ethernet && is_nic_name(name)) edit.add_nic(name);
  if (ours && is_on_the_lan(name)) edit_profile(lines, name, rules, edit);
  if (!edit.changes.empty()) edit.text = text_of(lines);
  edit.settings = {setting_of(parse_ini(edit.text), is_ethernet)};
  return edit;
}

}  // namespace rekindle
