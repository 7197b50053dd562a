// The two forms with [sections]: systemd-networkd's .network files and NetworkManager's keyfiles.
#include <algorithm>
#include <set>

#include "guest/ini_lines.h"
#include "guest/network_files.h"

namespace rekindle {

namespace {

NetworkEdit finish(NetworkEdit edit, std::string_view text, const std::vector<IniLine>& lines) {
  edit.text = edit.changes.empty() ? std::string(text) : text_of(lines);
  return edit;
}

bool is_ipv4(std::string_view address) {
  return address.find(':') == std::string_view::npos;
}

bool is_one_of(std::string_view word, const std::set<std::string, std::less<>>& words) {
  return words.contains(word);
}

constexpr const char* own_address_kept =
    "the NIC keeps its card's own address, the only one that is let through";

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

// By its address, its slot, or a driver that the new one does not have.
bool is_about_old_card(const IniLine& line, const std::string& driver) {
  if (line.section != "Match") return false;
  return is_one_of(line.key, {"MACAddress", "PermanentMACAddress", "Path"}) ||
         (line.key == "Driver" && !glob_matches(split_words(line.value), driver));
}

AddressSource networkd_address(const std::vector<IniLine>& lines) {
  if (is_one_of(value_of(lines, "Network", "DHCP"), {"yes", "true", "on", "1", "ipv4", "both", "v4"}))
    return AddressSource::dhcp;
  return has_static_ipv4(lines) ? AddressSource::fixed : AddressSource::none;
}

NicSetting networkd_setting(const std::vector<IniLine>& lines) {
  NicSetting setting;
  setting.device = value_of(lines, "Match", "Name");
  setting.names = split_words(setting.device);
  setting.drivers = split_words(value_of(lines, "Match", "Driver"));
  setting.address = networkd_address(lines);
  setting.at_boot =
      !is_one_of(value_of(lines, "Link", "Unmanaged"), {"yes", "true", "on", "1"}) &&
      !is_one_of(value_of(lines, "Link", "ActivationPolicy"), {"manual", "down", "always-down"});
  setting.master = value_of(lines, "Network", "Bridge");
  if (setting.master.empty()) setting.master = value_of(lines, "Network", "Bond");
  return setting;
}

// --- NetworkManager

bool is_static_keyfile(const IniLine& line) {
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

bool finds_old_card(const IniLine& line, const std::string& driver) {
  if (is_ethernet_section(line)) return line.key == "mac-address";
  if (line.section != "match") return false;
  return line.key == "path" || (line.key == "driver" && !glob_matches(split_list(line.value), driver));
}

bool is_borrowed_address(const IniLine& line) {
  return is_ethernet_section(line) && line.key == "cloned-mac-address" &&
         !is_one_of(line.value, {"preserve", "permanent"});
}

AddressSource keyfile_address(const std::vector<IniLine>& lines) {
  const std::string method = value_of(lines, "ipv4", "method");
  if (method.empty() || method == "auto") return AddressSource::dhcp;
  return method == "manual" ? AddressSource::fixed : AddressSource::none;
}

NicSetting keyfile_setting(const std::vector<IniLine>& lines, bool is_ethernet) {
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
  setting.address = setting.master.empty() ? keyfile_address(lines) : AddressSource::none;
  return setting;
}

bool has_gateway(const std::vector<IniLine>& lines) {
  return std::ranges::any_of(lines, [](const IniLine& line) {
    const bool in_address = line.key.starts_with("address") && line.value.find(',') != std::string::npos;
    return line.section == "ipv4" && (line.key == "gateway" || in_address);
  });
}

}  // namespace

NetworkEdit rewrite_networkd(std::string_view text, const NetworkRules& rules) {
  NetworkEdit edit;
  auto lines = parse_ini(text);
  const std::string name = value_of(lines, "Match", "Name");
  if (is_nic_name(name)) edit.nic_names.push_back(name);
  const auto about_old_card = [driver = rules.driver()](const IniLine& line) {
    return is_about_old_card(line, driver);
  };
  if (std::erase_if(lines, about_old_card) > 0) {
    if (name.empty()) insert_after_head(lines, "Match", "Driver=" + std::string(rules.link_drivers));
    edit.changes.emplace_back("the NIC is not found by the address of its old card any more");
  }
  const auto is_borrowed = [](const IniLine& line) {
    return line.section == "Link" && line.key == "MACAddress";
  };
  if (std::erase_if(lines, is_borrowed) > 0) edit.changes.emplace_back(own_address_kept);
  if (rules.static_to_dhcp && is_on_the_lan(name) && has_static_ipv4(lines)) {
    if (find_line(lines, "Network", "Gateway") != nullptr || find_line(lines, "Route", "Gateway") != nullptr)
      edit.gateway_device = name;
    std::erase_if(lines, is_static_networkd);
    insert_after_head(lines, "Network", "DHCP=yes");
    edit.changes.push_back((name.empty() ? "the NIC" : name) +
                           " takes its address by DHCP instead of a static one");
  }
  edit = finish(std::move(edit), text, lines);
  edit.settings = {networkd_setting(parse_ini(edit.text))};
  return edit;
}

NetworkEdit rewrite_network_manager(std::string_view text, const NetworkRules& rules) {
  NetworkEdit edit;
  auto lines = parse_ini(text);
  const std::string type = value_of(lines, "connection", "type");
  const bool is_ethernet = type == "ethernet" || type == "802-3-ethernet";
  if (!is_ethernet && !is_one_of(type, {"bridge", "bond", "team"}))
    return finish(std::move(edit), text, lines);
  const std::string name = value_of(lines, "connection", "interface-name");
  if (is_ethernet && is_nic_name(name)) edit.nic_names.push_back(name);
  const auto about_old_card = [driver = rules.driver()](const IniLine& line) {
    return finds_old_card(line, driver);
  };
  if (std::erase_if(lines, about_old_card) > 0) {
    edit.changes.emplace_back("the NIC is not found by the address of its old card any more");
  }
  if (std::erase_if(lines, is_borrowed_address) > 0) edit.changes.emplace_back(own_address_kept);
  if (rules.static_to_dhcp && value_of(lines, "ipv4", "method") == "manual") {
    if (has_gateway(lines)) edit.gateway_device = name;
    std::erase_if(lines, is_static_keyfile);
    insert_after_head(lines, "ipv4", "method=auto");
    edit.changes.push_back((name.empty() ? "the NIC" : name) +
                           " takes its IPv4 address by DHCP instead of a static one");
  }
  edit = finish(std::move(edit), text, lines);
  edit.settings = {keyfile_setting(parse_ini(edit.text), is_ethernet)};
  return edit;
}

}  // namespace rekindle
