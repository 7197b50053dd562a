#include "guest/network_files.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using Names = std::vector<std::string>;

TEST(Interfaces, TakesTheAddressByDhcpAndKeepsTheRest) {
  const NetworkEdit edit = rewrite_interfaces(
      "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\n# the LAN\nallow-hotplug "
      "ens192\niface ens192 inet static\n"
      "\taddress 10.1.2.3/24\n\tgateway 10.1.2.1\n\tdns-nameservers 10.1.2.2\n\tup ip route add 10.9.0.0/16 "
      "via 10.1.2.9\n",
      {});
  EXPECT_EQ(edit.text,
            "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\n# the LAN\nallow-hotplug "
            "ens192\niface ens192 inet dhcp\n"
            "\tup ip route add 10.9.0.0/16 via 10.1.2.9\n");
  EXPECT_EQ(edit.nic_names, Names{"ens192"});
  EXPECT_EQ(edit.changes.size(), 1U);
}

TEST(Interfaces, FindsTheCardsBelowABridgeAndLeavesDhcpAlone) {
  const std::string text = "iface br0 inet dhcp\n  bridge_ports eth0 eth1\niface eth0 inet manual\n";
  const NetworkEdit edit = rewrite_interfaces(text, {});
  EXPECT_EQ(edit.text, text);
  EXPECT_EQ(edit.nic_names, (Names{"eth0", "eth1"}));
}

TEST(Interfaces, LeavesStaticAddressesIfTold) {
  const std::string text = "iface eth0 inet static\n  address 10.0.0.2/24\n";
  EXPECT_EQ(rewrite_interfaces(text, {.static_to_dhcp = false}).text, text);
}

TEST(Interfaces, WarnsAboutASecondAddress) {
  const NetworkEdit edit = rewrite_interfaces("iface eth0:1 inet static\n  address 10.0.0.9/24\n", {});
  EXPECT_EQ(edit.warnings.size(), 1U);
  EXPECT_TRUE(edit.changes.empty());
  EXPECT_TRUE(edit.nic_names.empty());
}

TEST(Netplan, TakesTheAddressByDhcpAndKeepsTheRest) {
  const NetworkEdit edit = rewrite_netplan(
      "# installer\nnetwork:\n  version: 2\n  ethernets:\n    ens160:\n      mtu: 1500\n      addresses:\n   "
      "   - 10.1.2.3/24\n"
      "      routes:\n        - to: default\n          via: 10.1.2.1\n      nameservers: {addresses: "
      "[10.1.2.2]}\n      optional: true\n"
      "    ens192:\n      dhcp4: true\n",
      {});
  EXPECT_EQ(edit.text,
            "# installer\nnetwork:\n  version: 2\n  ethernets:\n    ens160:\n      mtu: 1500\n      dhcp4: "
            "true\n      optional: true\n"
            "    ens192:\n      dhcp4: true\n");
  EXPECT_EQ(edit.nic_names, (Names{"ens160", "ens192"}));
  EXPECT_EQ(rewrite_netplan(edit.text, {}).text, edit.text);
}

TEST(Netplan, FindsTheCardByNameInsteadOfByItsOldAddress) {
  const NetworkEdit edit = rewrite_netplan(
      "network:\n  ethernets:\n    id0:\n      match:\n        macaddress: '00:50:56:00:00:01'\n      "
      "set-name: lan0\n      dhcp4: true\n",
      {});
  EXPECT_EQ(edit.text, "network:\n  ethernets:\n    lan0:\n      dhcp4: true\n");
  EXPECT_EQ(edit.nic_names, Names{"lan0"});
}

TEST(Netplan, LeavesFlowStyleAloneAndSaysSo) {
  const std::string text = "network:\n  ethernets:\n    ens160: {addresses: [10.0.0.2/24]}\n";
  const NetworkEdit edit = rewrite_netplan(text, {});
  EXPECT_EQ(edit.text, text);
  EXPECT_EQ(edit.warnings.size(), 1U);
}

TEST(Networkd, TakesTheAddressByDhcp) {
  const NetworkEdit edit = rewrite_networkd(
      "[Match]\nName=ens192\nMACAddress=00:50:56:00:00:01\n\n[Network]\nAddress=10.0.0.2/"
      "24\nGateway=10.0.0.1\nDomains=corp\n\n[Route]\nGateway=10.0.0.3\n",
      {});
  EXPECT_EQ(edit.text, "[Match]\nName=ens192\n\n[Network]\nDHCP=yes\nDomains=corp\n\n");
  EXPECT_EQ(edit.nic_names, Names{"ens192"});
}

TEST(Networkd, FindsTheCardByItsDriverIfNothingElseIsLeft) {
  const NetworkEdit edit =
      rewrite_networkd("[Match]\nMACAddress=00:50:56:00:00:01\n[Network]\nDHCP=yes\n", {});
  EXPECT_EQ(edit.text, "[Match]\nDriver=" + std::string(hardware_of(Platform::ec2).link_drivers) +
                           "\n[Network]\nDHCP=yes\n");
}

TEST(NetworkManager, TakesTheAddressByDhcp) {
  const NetworkEdit edit = rewrite_network_manager(
      "[connection]\ntype=ethernet\ninterface-name=ens192\n[ethernet]\nmac-address=00:50:56:00:00:01\n[ipv4]"
      "\naddress1=10.0.0.2/24,10.0.0.1\n"
      "dns=10.0.0.1;\nmethod=manual\n[ipv6]\nmethod=ignore\n",
      {});
  EXPECT_EQ(edit.text,
            "[connection]\ntype=ethernet\ninterface-name=ens192\n[ethernet]\n[ipv4]\nmethod=auto\n[ipv6]"
            "\nmethod=ignore\n");
}

TEST(NetworkManager, LeavesOtherConnectionsAlone) {
  const std::string text = "[connection]\ntype=wifi\n[ipv4]\nmethod=manual\naddress1=10.0.0.2/24\n";
  EXPECT_EQ(rewrite_network_manager(text, {}).text, text);
}

}  // namespace
}  // namespace rekindle
