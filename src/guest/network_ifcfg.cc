// Red Hat's network-scripts: NAME=value lines that a shell could read.
#include <algorithm>
#include <map>
#include <set>

#include "guest/network_files.h"

namespace rekindle {

namespace {

struct Assignment {
  std::string key;  // empty: a blank, a comment
  std::string value;
};

Assignment parse_assignment(std::string_view line) {
  line = trim(line);
  const std::size_t equals = line.find('=');
  if (line.starts_with("#") || equals == std::string_view::npos) return {};
  std::string_view value = trim(line.substr(equals + 1));
  const bool quoted =
      value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
  if (quoted) value = value.substr(1, value.size() - 2);
  return {std::string(trim(line.substr(0, equals))), std::string(value)};
}

// IPADDR, IPADDR0, PREFIX12, ...
bool describes_static_address(std::string key) {
  static const std::set<std::string> keys = {"IPADDR",  "NETMASK",   "PREFIX",    "GATEWAY",
                                             "NETWORK", "BROADCAST", "BOOTPROTO", "DNS"};
  key.erase(key.find_last_not_of("0123456789") + 1);
  return keys.contains(key);
}

bool is_no(std::string value) {
  std::ranges::transform(value, value.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return value == "no" || value == "n" || value == "false" || value == "0";
}

class IfcfgRewriter {
 public:
  explicit IfcfgRewriter(std::string_view text) : text_(text), lines_(split_lines(text)) {
    for (const std::string& line : lines_) {
      const Assignment one = parse_assignment(line);
      if (!one.key.empty()) values_[one.key] = one.value;
    }
  }

  NetworkEdit rewrite(const NetworkRules& rules) {
    const std::string name = value("DEVICE");
    if (!is_on_the_lan(name)) return unchanged();
    if (name.find(':') != std::string::npos) {
      edit_.warnings.push_back(
          name + " is a second static address: give it to the instance as a secondary private address");
      return unchanged();
    }
    if (is_nic_name(name) && is_card()) edit_.add_nic(name);
    drop("HWADDR", "the NIC is not found by the address of its old card any more");
    drop("MACADDR", own_address_kept);
    if (rules.static_to_dhcp && has_static_ipv4() && !takes_dhcp()) make_dhcp(name);
    add_setting(name);
    edit_.text = edit_.changes.empty() ? std::string(text_) : join_lines(lines_);
    return std::move(edit_);
  }

 private:
  NetworkEdit unchanged() {
    edit_.text = std::string(text_);
    return std::move(edit_);
  }

  std::string value(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::string() : found->second;
  }

  bool is_card() const {
    const std::string type = value("TYPE");
    return type.empty() || type == "Ethernet";
  }
  bool has_static_ipv4() const { return values_.contains("IPADDR") || values_.contains("IPADDR0"); }
  bool takes_dhcp() const { return value("BOOTPROTO") == "dhcp" || value("BOOTPROTO") == "bootp"; }

  void drop(const std::string& key, const std::string& change) {
    if (values_.erase(key) == 0) return;
    std::erase_if(lines_, [&](const std::string& line) { return parse_assignment(line).key == key; });
    edit_.changes.push_back(change);
  }

  void make_dhcp(const std::string& name) {
    if (values_.contains("GATEWAY") || values_.contains("GATEWAY0")) edit_.gateway_device = name;
    std::erase_if(
        lines_, [](const std::string& line) { return describes_static_address(parse_assignment(line).key); });
    std::erase_if(values_, [](const auto& one) { return describes_static_address(one.first); });
    lines_.emplace_back("BOOTPROTO=dhcp");
    values_["BOOTPROTO"] = "dhcp";
    edit_.changes.push_back((name.empty() ? "the NIC" : name) +
                            " takes its IPv4 address by DHCP instead of a static one");
  }

  void add_setting(const std::string& name) {
    NicSetting setting;
    setting.device = name.empty() ? value("NAME") : name;
    if (!name.empty()) setting.names = {name};
    if (takes_dhcp()) {
      setting.address = AddressSource::dhcp;
    } else if (has_static_ipv4()) {
      setting.address = AddressSource::fixed;
    }
    setting.at_boot = !is_no(value("ONBOOT"));
    setting.master = value("BRIDGE");
    if (setting.master.empty()) setting.master = value("MASTER");
    edit_.settings.push_back(std::move(setting));
  }

  std::string_view text_;
  std::vector<std::string> lines_;
  std::map<std::string, std::string> values_;
  NetworkEdit edit_;
};

}  // namespace

NetworkEdit rewrite_ifcfg(std::string_view text, const NetworkRules& rules) {
  return IfcfgRewriter(text).rewrite(rules);
}

}  // namespace rekindle
