// The forms in which Linux's network configuration is written: what each says about NICs, and the same file
// with DHCP in the place of static IPv4 addresses, and without what only the card of before has. Pure text;
// conversion of a guest: guest/network.h.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "guest/hardware.h"
#include "guest/nic_setting.h"
#include "guest/text_lines.h"

namespace rekindle {

struct NetworkEdit : TextEdit {
  std::vector<std::string> nic_names;  // the first 64 hardware NICs that the file configures, in its order
  std::string gateway_device;          // that had the way out, by a static address
  std::vector<NicSetting> settings;    // what the new text asks for
  // Of interfaces(5), globs: the files that it reads as well, and the devices that it or another of its files
  // brings up at boot (which `settings` do not say).
  std::vector<std::string> sources;
  std::vector<std::string> brought_up;
  std::string renderer;  // of netplan(5): "NetworkManager"; empty: it does not say

  void add_nic(const std::string& name);  // once
};

// Whether a word is the name of a network card: not lo, a bridge, a bond, a VLAN, an alias or a pattern.
bool is_nic_name(std::string_view name);

// Whether its address is one of the network that the machine is in: not that of lo, a tunnel, a container.
bool is_on_the_lan(std::string_view name);

struct NetworkRules {
  bool static_to_dhcp = true;
  std::string_view link_drivers = hardware_of(Platform::ec2).link_drivers;
  std::string_view old_drivers = hardware_of(Platform::vmware).past_drivers;
  // What NetworkManager's profiles call the bridges and bonds that they are ports of: names and UUIDs.
  std::set<std::string, std::less<>> masters{};

  std::string driver() const { return split_words(link_drivers).at(0); }  // of the usual NIC
  // Whether globs of drivers are about a card of before, and not about the new one: not "veth".
  bool is_old_card(const std::vector<std::string>& drivers) const;
};

inline constexpr const char* own_address_kept =
    "the NIC keeps its card's own address, the only one that is let through";

NetworkEdit rewrite_interfaces(std::string_view text,
                               const NetworkRules& rules);  // interfaces(5) of ifupdown
NetworkEdit rewrite_netplan(std::string_view text,
                            const NetworkRules& rules);  // netplan(5), YAML in block style
NetworkEdit rewrite_networkd(std::string_view text, const NetworkRules& rules);  // systemd.network(5)
NetworkEdit rewrite_netdev(std::string_view text, const NetworkRules& rules);    // systemd.netdev(5)
NetworkEdit rewrite_network_manager(std::string_view text,
                                    const NetworkRules& rules);  // nm-settings-keyfile(5)
NetworkEdit rewrite_ifcfg(std::string_view text,
                          const NetworkRules& rules);  // ifcfg-* of Red Hat's network-scripts

// udev(7): rules that give the card of a certain address or slot its name, as 70-persistent-net.rules has
// them, become comments; to another card they would leave the name that the old one had.
NetworkEdit rewrite_udev_rules(std::string_view text, const NetworkRules& rules);

}  // namespace rekindle
