#include <algorithm>
#include <set>

#include "guest/network_files.h"

namespace rekindle {

namespace {

bool starts_stanza(const std::string& word) {
  static const std::set<std::string> keywords = {
      "iface",        "auto",       "mapping", "source",  "source-directory",
      "no-auto-down", "no-scripts", "rename",  "template"};
  return keywords.contains(word) || word.starts_with("allow-");
}

bool describes_static_address(const std::string& option) {
  static const std::set<std::string> options = {"address",        "netmask",     "broadcast",
                                                "network",        "gateway",     "dns-nameservers",
                                                "dns-nameserver", "pointopoint", "scope"};
  return options.contains(option);
}

class InterfacesRewriter {
 public:
  explicit InterfacesRewriter(const NetworkRules& rules) : rules_(rules) {}

  NetworkEdit rewrite(std::string_view text) {
    for (const std::string& line : split_lines(text)) add(line);
    edit_.text = edit_.changes.empty() ? std::string(text) : join_lines(lines_);
    return std::move(edit_);
  }

 private:
  void add(const std::string& line) {
    const auto words = split_words(line);
    if (words.empty() || words[0].starts_with("#")) {
      lines_.push_back(line);
    } else if (starts_stanza(words[0])) {
      begin_stanza(line, words);
    } else {
      add_option(line, words);
    }
  }

  void begin_stanza(const std::string& line, const std::vector<std::string>& words) {
    becomes_dhcp_ = false;
    if (words[0] != "iface" || words.size() < 4) {
      lines_.push_back(line);
      return;
    }
    const std::string& name = words[1];
    const bool is_ipv4 = words[2] == "inet";
    if (is_nic_name(name)) add_nic(name);
    becomes_dhcp_ = rules_.static_to_dhcp && is_ipv4 && words[3] == "static" && name != "lo";
    if (becomes_dhcp_ && name.find(':') != std::string::npos) {
      becomes_dhcp_ = false;
      edit_.warnings.push_back(
          name + " is a second static address: give it to the instance as a secondary private address");
    }
    if (words[2] == "inet6" && words[3] == "static") {
      edit_.warnings.push_back(name + " has a static IPv6 address, which was left as it is");
    }
    lines_.push_back(becomes_dhcp_ ? "iface " + name + " inet dhcp" : line);
    if (becomes_dhcp_)
      edit_.changes.push_back(name + " takes its IPv4 address by DHCP instead of a static one");
  }

  void add_option(const std::string& line, const std::vector<std::string>& words) {
    if (words[0] == "bridge_ports" || words[0] == "bridge-ports" || words[0] == "bond-slaves" ||
        words[0] == "slaves") {
      std::for_each(words.begin() + 1, words.end(), [this](const std::string& port) {
        if (is_nic_name(port) && port != "none" && port != "all") add_nic(port);
      });
    }
    if (!(becomes_dhcp_ && describes_static_address(words[0]))) lines_.push_back(line);
  }

  void add_nic(const std::string& name) {
    auto& names = edit_.nic_names;
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }

  NetworkRules rules_;
  NetworkEdit edit_;
  std::vector<std::string> lines_;
  bool becomes_dhcp_ = false;
};

}  // namespace

bool is_nic_name(std::string_view name) {
  if (name.empty() || name == "lo" || name.find_first_of(".:/*=[") != std::string_view::npos ||
      name.size() > 15)
    return false;
  const auto has_number = [&](std::string_view prefix) {
    return name.starts_with(prefix) &&
           name.substr(prefix.size()).find_first_not_of("0123456789") == std::string_view::npos;
  };
  constexpr std::string_view virtual_prefixes[] = {"br",     "bond",  "vlan",  "tun",  "tap", "dummy",
                                                   "docker", "virbr", "veth",  "wg",   "ppp", "sit",
                                                   "team",   "vmbr",  "lxcbr", "lxdbr"};
  return std::ranges::none_of(virtual_prefixes, has_number) && !name.starts_with("br-") &&
         !name.starts_with("docker");
}

NetworkEdit rewrite_interfaces(std::string_view text, const NetworkRules& rules) {
  return InterfacesRewriter(rules).rewrite(text);
}

}  // namespace rekindle
