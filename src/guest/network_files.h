// The forms in which Debian's and Ubuntu's network configuration is written: what each says about NICs, and
// the same file with DHCP in the place of static IPv4 addresses. Pure text; conversion of a guest:
// guest/network.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/hardware.h"
#include "guest/text_lines.h"

namespace rekindle {

struct NetworkEdit : TextEdit {
  std::vector<std::string> nic_names;  // the hardware NICs that the file configures, in its order
};

// Whether a name can be that of a network card: not lo, a bridge, a bond, a VLAN or an alias.
bool is_nic_name(std::string_view name);

struct NetworkRules {
  bool static_to_dhcp = true;
  std::string_view link_drivers = hardware_of(Platform::ec2).link_drivers;
};

NetworkEdit rewrite_interfaces(std::string_view text,
                               const NetworkRules& rules);  // interfaces(5) of ifupdown
NetworkEdit rewrite_netplan(std::string_view text,
                            const NetworkRules& rules);  // netplan(5), YAML in block style
NetworkEdit rewrite_networkd(std::string_view text, const NetworkRules& rules);  // systemd.network(5)
NetworkEdit rewrite_network_manager(std::string_view text,
                                    const NetworkRules& rules);  // nm-settings-keyfile(5)

}  // namespace rekindle
