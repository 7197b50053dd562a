// systemd-networkd's .network files, and the .netdev files of its bridges and bonds.
#include <algorithm>
#include <set>

#include "guest/ini_lines.h"
#include "guest/network_files.h"
#include "guest/nic_match.h"

namespace rekindle {

namespace {

using Lines = std::vector<IniLine>;

bool is_one_of(std::string_view word, const std::set<std::string, std::less<>>& words) {
  return words.contains(word);
}

bool is_ipv4(std::string_view address) {
  return address.find(':') == std::string_view::npos;
}

bool is_static(const IniLine& line) {
  static const std::set<std::string> sections = {"Address", "Route"};
  static const std::set<std::string> keys = {"Address", "Gateway", "DNS", "DHCP"};
  return sections.contains(line.section) || (line.section == "Network" && keys.contains(line.key));
}

bool has_static_ipv4(const Lines& lines) {
  return std::ranges::any_of(
      lines, [](const IniLine& line) { return line.key == "Address" && is_ipv4(line.value); });
}

// A [Route] without a destination goes everywhere.
bool has_way_out(const Lines& lines) {
  bool gateway = false;
  bool everywhere = true;
  for (const IniLine& line : lines) {
    if (line.is_head && gateway && everywhere) return true;
    if (line.is_head) {
      gateway = false;
      everywhere = true;
    }
    const bool about_routes = line.section == "Route" || line.section == "Network";
    if (about_routes && line.key == "Gateway") gateway = is_ipv4(line.value);
    if (line.section == "Route" && line.key == "Destination") everywhere = line.value == "0.0.0.0/0";
  }
  return gateway && everywhere;
}

// By its address, its slot, or a driver of VMware's (or EC2's) cards.
bool is_about_old_card(const IniLine& line, const NetworkRules& rules) {
  if (line.section != "Match") return false;
  return is_one_of(line.key, {"MACAddress", "PermanentMACAddress", "Path"}) ||
         (line.key == "Driver" && rules.is_old_card(split_words(line.value)));
}

// A bridge or the like, over cards, that the file calls by its name.
bool is_about_joining_device(const Lines& lines) {
  const std::set<std::string, std::less<>> kinds = {"bridge", "bond", "team", "vlan"};
  return find_line(lines, "Match", "Name") != nullptr && (kinds.contains(value_of(lines, "Match", "Kind")) ||
                                                          kinds.contains(value_of(lines, "Match", "Type")));
}

// Of "veth*", what comes before the pattern. A list of what is not meant says nothing.
bool may_be_on_the_lan(const std::vector<std::string>& names) {
  if (names.empty() || names.front().starts_with("!")) return true;
  return std::ranges::any_of(names, [](const std::string& name) {
    const std::string stem = name.substr(0, name.find_first_of("*?["));
    return is_on_the_lan(stem.empty() ? name : stem);
  });
}

std::string first_nic_of(const std::vector<std::string>& names) {
  const auto nic = std::ranges::find_if(names, is_nic_name);
  const bool inverted = !names.empty() && names.front().starts_with("!");
  return inverted || nic == names.end() ? std::string() : *nic;
}

AddressSource address_of(const Lines& lines) {
  if (is_one_of(value_of(lines, "Network", "DHCP"), {"yes", "true", "on", "1", "ipv4", "both", "v4"}))
    return AddressSource::dhcp;
  return has_static_ipv4(lines) ? AddressSource::fixed : AddressSource::none;
}

NicSetting setting_of(const Lines& lines, const NetworkRules& rules) {
  NicSetting setting;
  setting.device = value_of(lines, "Match", "Name");
  setting.names = split_words(setting.device);
  setting.drivers = split_words(value_of(lines, "Match", "Driver"));
  setting.not_a_card = !match_fits(lines, {rules.driver(), ""});
  setting.address = address_of(lines);
  setting.at_boot =
      !is_one_of(value_of(lines, "Link", "Unmanaged"), {"yes", "true", "on", "1"}) &&
      !is_one_of(value_of(lines, "Link", "ActivationPolicy"), {"manual", "down", "always-down"});
  setting.master = value_of(lines, "Network", "Bridge");
  if (setting.master.empty()) setting.master = value_of(lines, "Network", "Bond");
  return setting;
}

NetworkEdit finish(NetworkEdit edit, std::string_view text, const Lines& lines, const NetworkRules& rules) {
  edit.text = edit.changes.empty() ? std::string(text) : text_of(lines);
  edit.settings = {setting_of(parse_ini(edit.text), rules)};
  return edit;
}

void make_dhcp(Lines& lines, const std::string& device, NetworkEdit& edit) {
  if (has_way_out(lines)) edit.gateway_device = device;
  std::erase_if(lines, is_static);
  insert_after_head(lines, "Network", "DHCP=yes");
  edit.changes.push_back((device.empty() ? "the NIC" : device) +
                         " takes its address by DHCP instead of a static one");
}

}  // namespace

NetworkEdit rewrite_networkd(std::string_view text, const NetworkRules& rules) {
  NetworkEdit edit;
  const auto lines = parse_ini(text);
  auto released = lines;
  const auto about_old_card = [&](const IniLine& line) { return is_about_old_card(line, rules); };
  const bool was_old = std::erase_if(released, about_old_card) > 0;
  const std::string all_names = value_of(released, "Match", "Name");
  const auto names = split_words(all_names);
  const bool about_card = match_fits(released, {rules.driver(), ""});
  // A container's, a tunnel's, a wireless card's: the guest's own business.
  if (!may_be_on_the_lan(names) || (!about_card && !is_about_joining_device(released)))
    return finish(std::move(edit), text, lines, rules);
  const std::string nic = about_card ? first_nic_of(names) : std::string();
  if (!nic.empty()) edit.add_nic(nic);
  if (was_old) {
    if (names.empty() && find_line(released, "Match", "Driver") == nullptr)
      insert_after_head(released, "Match", "Driver=" + std::string(rules.link_drivers));
    edit.changes.emplace_back("the NIC is not found by the address of its old card any more");
  }
  const auto is_borrowed = [](const IniLine& line) {
    return line.section == "Link" && line.key == "MACAddress";
  };
  if (std::erase_if(released, is_borrowed) > 0) edit.changes.emplace_back(own_address_kept);
  if (rules.static_to_dhcp && has_static_ipv4(released))
    make_dhcp(released, nic.empty() ? all_names : nic, edit);
  return finish(std::move(edit), text, released, rules);
}

NetworkEdit rewrite_netdev(std::string_view text, const NetworkRules& /*rules*/) {
  NetworkEdit edit;
  auto lines = parse_ini(text);
  const bool joins_cards = is_one_of(value_of(lines, "NetDev", "Kind"), {"bridge", "bond", "team"}) &&
                           is_on_the_lan(value_of(lines, "NetDev", "Name"));
  const auto is_borrowed = [](const IniLine& line) {
    return line.section == "NetDev" && line.key == "MACAddress" && line.value.find(':') != std::string::npos;
  };
  if (joins_cards && std::erase_if(lines, is_borrowed) > 0) edit.changes.emplace_back(own_address_kept);
  edit.text = edit.changes.empty() ? std::string(text) : text_of(lines);
  return edit;
}

}  // namespace rekindle
