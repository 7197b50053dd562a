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

// Any other address than its own card's is not let through on EC2. bridge_hw may name a port instead.
bool borrows_address(const std::vector<std::string>& option) {
  const bool of_bridge = option[0] == "bridge_hw" || option[0] == "bridge-hw";
  return option[0] == "hwaddress" ||
         (of_bridge && option.size() > 1 && option[1].find(':') != std::string::npos);
}

std::string absolute(const std::string& path) {
  return path.starts_with("/") ? path : "/etc/network/" + path;
}

bool runs_command(const std::string& option) {
  return option == "up" || option == "pre-up" || option == "post-up";
}

bool lists_ports(const std::string& option) {
  return option == "bridge_ports" || option == "bridge-ports" || option == "bond-slaves" ||
         option == "slaves";
}

AddressSource source_of(const std::string& method) {
  if (method == "dhcp") return AddressSource::dhcp;
  if (method == "static") return AddressSource::fixed;
  return method == "manual" ? AddressSource::none : AddressSource::unknown;
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
    is_ipv4_ = false;
    if (words[0] != "iface" || words.size() < 4) {
      note_other_stanza(words);
      lines_.push_back(line);
      return;
    }
    begin_device(line, words);
  }

  void note_other_stanza(const std::vector<std::string>& words) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      const bool pattern = words[i].starts_with("/");
      if (words[0] == "auto" || words[0] == "allow-auto" || words[0] == "allow-hotplug")
        edit_.brought_up.push_back(pattern ? words[i].substr(1) : words[i]);
      if (words[0] == "source") edit_.sources.push_back(absolute(words[i]));
      if (words[0] == "source-directory") edit_.sources.push_back(absolute(words[i]) + "/*");
    }
  }

  void begin_device(const std::string& line, const std::vector<std::string>& words) {
    const std::string& name = words[1];
    const bool is_ipv4 = words[2] == "inet";
    if (is_nic_name(name)) edit_.add_nic(name);
    becomes_dhcp_ = rules_.static_to_dhcp && is_ipv4 && words[3] == "static" && is_on_the_lan(name);
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
    is_ipv4_ = is_ipv4 && words[3] != "loopback";
    if (is_ipv4_) add_setting(name, becomes_dhcp_ ? "dhcp" : words[3]);
  }

  void add_setting(const std::string& name, const std::string& method) {
    NicSetting setting;
    setting.device = name;
    setting.names = {name};
    setting.address = source_of(method);
    edit_.settings.push_back(std::move(setting));
  }

  void add_option(const std::string& line, const std::vector<std::string>& words) {
    if (lists_ports(words[0])) {
      std::for_each(words.begin() + 1, words.end(), [this](const std::string& port) {
        if (is_nic_name(port) && port != "none" && port != "all") edit_.add_nic(port);
      });
    }
    if (is_ipv4_) note_option(words, edit_.settings.back());
    if (borrows_address(words)) {
      edit_.changes.emplace_back(own_address_kept);
    } else if (!(becomes_dhcp_ && describes_static_address(words[0]))) {
      lines_.push_back(line);
    }
  }

  void note_option(const std::vector<std::string>& words, NicSetting& setting) {
    if (words[0] == "gateway" && becomes_dhcp_) edit_.gateway_device = setting.device;
    if (lists_ports(words[0])) {
      for (std::size_t i = 1; i < words.size(); ++i)
        setting.ports.push_back(words[i] == "all" ? "e*" : words[i]);
    }
    if (words[0] == "bond-master" && words.size() > 1) setting.master = words[1];
    if (runs_command(words[0]) && setting.address == AddressSource::none)
      setting.address = AddressSource::unknown;
  }

  NetworkRules rules_;
  NetworkEdit edit_;
  std::vector<std::string> lines_;
  bool becomes_dhcp_ = false;  // of the stanza that is read
  bool is_ipv4_ = false;
};

}  // namespace

namespace {

template <std::size_t count>
bool is_numbered(std::string_view name, const std::string_view (&prefixes)[count]) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) {
    return name.starts_with(prefix) &&
           name.substr(prefix.size()).find_first_not_of("0123456789") == std::string_view::npos;
  });
}

// Their addresses are the guest's own business.
constexpr std::string_view private_devices[] = {"tun", "tap", "dummy", "docker", "virbr", "veth",
                                                "wg",  "ppp", "sit",   "lxcbr",  "lxdbr"};
// Those over cards.
constexpr std::string_view joining_devices[] = {"br", "bond", "vlan", "team", "vmbr"};

}  // namespace

bool is_on_the_lan(std::string_view name) {
  return name != "lo" && !is_numbered(name, private_devices) && !name.starts_with("docker");
}

bool is_nic_name(std::string_view name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && is_on_the_lan(name) && !is_numbered(name, joining_devices) &&
         !name.starts_with("br-") && name.find_first_not_of(allowed) == std::string_view::npos &&
         name.size() <= 15;
}

void NetworkEdit::add_nic(const std::string& name) {
  constexpr std::size_t most = 64;  // no instance has more, and the file is the guest's own making
  if (nic_names.size() < most && std::ranges::find(nic_names, name) == nic_names.end())
    nic_names.push_back(name);
}

bool NetworkRules::is_old_card(const std::vector<std::string>& drivers) const {
  if (drivers.empty() || drivers.front().starts_with("!") || glob_matches(drivers, driver())) return false;
  const auto old = split_words(old_drivers);
  return std::ranges::any_of(old, [&](const std::string& one) { return glob_matches(drivers, one); });
}

NetworkEdit rewrite_interfaces(std::string_view text, const NetworkRules& rules) {
  return InterfacesRewriter(rules).rewrite(text);
}

}  // namespace rekindle
