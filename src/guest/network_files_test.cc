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

TEST(Interfaces, TellsWhatItReadsAndBringsUp) {
  const NetworkEdit edit = rewrite_interfaces(
      "source interfaces.d/*\nauto lo /eth*\niface br0 inet static\n address 10.0.0.2/24\n gateway "
      "10.0.0.1\n "
      "bridge_ports eth0\niface eth0 inet manual\niface eth1 inet manual\n up dhclient eth1\n",
      {});
  EXPECT_EQ(edit.sources, Names{"/etc/network/interfaces.d/*"});
  EXPECT_EQ(edit.brought_up, (Names{"lo", "eth*"}));
  EXPECT_EQ(edit.gateway_device, "br0");
  ASSERT_EQ(edit.settings.size(), 3U);
  EXPECT_EQ(edit.settings[0].address, AddressSource::dhcp);
  EXPECT_EQ(edit.settings[0].ports, Names{"eth0"});
  EXPECT_EQ(edit.settings[1].address, AddressSource::none);
  EXPECT_EQ(edit.settings[2].address, AddressSource::unknown) << "a command may do anything";
}

TEST(Interfaces, LeavesTheGuestsOwnNetworksAlone) {
  const std::string text = "iface wg0 inet static\n  address 10.8.0.1/24\n";
  EXPECT_EQ(rewrite_interfaces(text, {}).text, text);
}

TEST(Interfaces, BorrowsNoAddressOfAnotherCard) {
  EXPECT_EQ(rewrite_interfaces("iface eth0 inet dhcp\n hwaddress ether 00:50:56:00:00:01\n", {}).text,
            "iface eth0 inet dhcp\n");
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

TEST(Netplan, FindsTheOldCardInAMapOnOneLineAndByItsDriver) {
  const NetworkEdit edit = rewrite_netplan(
      "network:\n  ethernets:\n    lan0:\n      match: {macaddress: '00:50:56:00:00:01'}\n      dhcp4: true "
      "# "
      "always\n    lan1:\n      match:\n        driver: [vmxnet3]\n      dhcp4: yes\n",
      {});
  EXPECT_EQ(edit.text,
            "network:\n  ethernets:\n    lan0:\n      dhcp4: true # always\n    lan1:\n      dhcp4: yes\n");
  EXPECT_EQ(edit.nic_names, (Names{"lan0", "lan1"}));
  ASSERT_EQ(edit.settings.size(), 2U);
  EXPECT_EQ(edit.settings[0].address, AddressSource::dhcp);
  EXPECT_EQ(edit.settings[1].names, Names{"lan1"});
  EXPECT_EQ(rewrite_netplan(edit.text, {}).text, edit.text);
}

TEST(Netplan, TellsPortsRendererAndGateway) {
  const NetworkEdit edit = rewrite_netplan(
      "network:\n  renderer: NetworkManager\n  ethernets:\n    ens160:\n      macaddress: 02:00:00:00:00:01\n"
      "  bridges:\n    br0:\n      interfaces: [ens160]\n      addresses: [10.0.0.2/24]\n      gateway4: "
      "10.0.0.1\n  bonds:\n    bond0:\n      interfaces:\n      - 'ens192'\n",
      {});
  EXPECT_EQ(edit.renderer, "NetworkManager");
  EXPECT_EQ(edit.gateway_device, "br0");
  EXPECT_NE(edit.text.find("    ens160: {}\n  bridges:"), std::string::npos) << edit.text;
  EXPECT_TRUE(rewrite_netplan(edit.text, {}).warnings.empty());
  ASSERT_EQ(edit.settings.size(), 3U);
  EXPECT_EQ(edit.settings[1].address, AddressSource::dhcp);
  EXPECT_EQ(edit.settings[1].ports, Names{"ens160"});
  EXPECT_EQ(edit.settings[2].ports, Names{"ens192"});
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

TEST(Networkd, FindsNoCardByTheSlotOrTheDriverOfTheOldOne) {
  const std::string link_drivers(hardware_of(Platform::ec2).link_drivers);
  EXPECT_EQ(rewrite_networkd("[Match]\nPath=pci-0000:0b:00.0\n[Network]\nDHCP=yes\n", {}).text,
            "[Match]\nDriver=" + link_drivers + "\n[Network]\nDHCP=yes\n");
  EXPECT_EQ(rewrite_networkd("[Match]\nDriver=vmxnet3\n[Link]\nMACAddress=02:00:00:00:00:01\n", {}).text,
            "[Match]\nDriver=" + link_drivers + "\n[Link]\n");
  const std::string fits = "[Match]\nDriver=ena vmxnet3\n[Network]\nDHCP=ipv4\n";
  const NetworkEdit edit = rewrite_networkd(fits, {});
  EXPECT_EQ(edit.text, fits);
  ASSERT_EQ(edit.settings.size(), 1U);
  EXPECT_EQ(edit.settings[0].address, AddressSource::dhcp);
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

TEST(NetworkManager, TakesTheAddressOfABridgeByDhcpAndBorrowsNone) {
  const NetworkEdit bridge = rewrite_network_manager(
      "[connection]\ntype=bridge\nuuid=1234\ninterface-name=br0\n[ipv4]\naddress1=10.0.0.2/24,10.0.0.1\n"
      "method=manual\n",
      {.masters = {"1234"}});
  EXPECT_EQ(bridge.text, "[connection]\ntype=bridge\nuuid=1234\ninterface-name=br0\n[ipv4]\nmethod=auto\n");
  EXPECT_EQ(bridge.gateway_device, "br0");
  EXPECT_TRUE(bridge.nic_names.empty());
  const NetworkEdit port = rewrite_network_manager(
      "[connection]\ntype=ethernet\ninterface-name=ens192\nmaster=1234\n[ethernet]\n"
      "cloned-mac-address=02:00:00:00:00:01\n",
      {});
  EXPECT_EQ(port.text, "[connection]\ntype=ethernet\ninterface-name=ens192\nmaster=1234\n[ethernet]\n");
  const std::vector<NicSetting> settings = {bridge.settings.at(0), port.settings.at(0)};
  const auto devices = devices_over({"ens192", "ena"}, settings);
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_TRUE(applies(settings[0], devices[1]));
}

TEST(Networkd, LeavesOtherDevicesThanCardsAlone) {
  for (const std::string match : {"Driver=veth", "Driver=mlx5_core", "Kind=bridge", "Type=wlan", "Name=veth*",
                                  "Name=docker0\nMACAddress=02:42:00:00:00:01", "SSID=office"}) {
    const std::string text =
        "[Match]\n" + match + "\n[Link]\nUnmanaged=yes\n[Network]\nAddress=10.0.0.2/24\n";
    const NetworkEdit edit = rewrite_networkd(text, {});
    EXPECT_EQ(edit.text, text);
    EXPECT_TRUE(edit.nic_names.empty());
    ASSERT_EQ(edit.settings.size(), 1U);
    EXPECT_FALSE(applies(edit.settings[0], {"ens192", "ena"})) << match;
  }
}

TEST(Networkd, NamesTheFirstCardOfAList) {
  const NetworkEdit list = rewrite_networkd("[Match]\nName=en* eth0 ens192\n[Network]\nDHCP=yes\n", {});
  EXPECT_EQ(list.nic_names, Names{"eth0"});
  EXPECT_TRUE(rewrite_networkd("[Match]\nName=!eth0 ens192\n", {}).nic_names.empty());
  EXPECT_FALSE(is_nic_name("eth0 ens192"));
  EXPECT_FALSE(is_nic_name("eth\"0"));
  EXPECT_FALSE(is_nic_name("en?"));
}

TEST(Networkd, OnlyARouteToEverywhereIsTheWayOut) {
  const std::string fixed = "[Match]\nName=ens192\n[Network]\nAddress=10.0.0.2/24\n";
  const auto gateway = [&](const std::string& route) {
    return rewrite_networkd(fixed + route, {}).gateway_device;
  };
  EXPECT_EQ(gateway("[Route]\nGateway=10.0.0.1\nDestination=10.9.0.0/16\n"), "");
  EXPECT_EQ(gateway("[Route]\nDestination=0.0.0.0/0\nGateway=10.0.0.1\n"), "ens192");
  EXPECT_EQ(gateway("Gateway=10.0.0.1\n"), "ens192");
}

TEST(Bridges, BorrowNoAddressOfAnotherCard) {
  EXPECT_EQ(rewrite_netdev("[NetDev]\nName=br0\nKind=bridge\nMACAddress=00:50:56:00:00:01\n", {}).text,
            "[NetDev]\nName=br0\nKind=bridge\n");
  const std::string own = "[NetDev]\nName=dummy0\nKind=dummy\nMACAddress=02:00:00:00:00:01\n";
  EXPECT_EQ(rewrite_netdev(own, {}).text, own);
  EXPECT_EQ(rewrite_netplan("network:\n  bridges:\n    br0:\n      macaddress: 00:50:56:00:00:01\n      "
                            "dhcp4: true\n",
                            {})
                .text,
            "network:\n  bridges:\n    br0:\n      dhcp4: true\n");
  EXPECT_EQ(rewrite_interfaces("iface br0 inet dhcp\n bridge_hw 00:50:56:00:00:01\n", {}).text,
            "iface br0 inet dhcp\n");
  const std::string by_port = "iface br0 inet dhcp\n bridge_hw eth0\n";
  EXPECT_EQ(rewrite_interfaces(by_port, {}).text, by_port);
  EXPECT_EQ(rewrite_network_manager("[connection]\ntype=bridge\ninterface-name=br0\n[bridge]\n"
                                    "mac-address=00:50:56:00:00:01\n",
                                    {.masters = {"br0"}})
                .text,
            "[connection]\ntype=bridge\ninterface-name=br0\n[bridge]\n");
}

TEST(NetworkManager, LeavesBridgesWithoutPortsAlone) {
  const std::string text =
      "[connection]\ntype=bridge\nuuid=1234\ninterface-name=br7\n[ipv4]\naddress1=172.18.0.1/16\n"
      "method=manual\n";
  EXPECT_EQ(rewrite_network_manager(text, {}).text, text);
  const std::string docker =
      "[connection]\ntype=bridge\ninterface-name=docker0\n[ipv4]\naddress1=172.17.0.1/16\nmethod=manual\n";
  EXPECT_EQ(rewrite_network_manager(docker, {.masters = {"docker0"}}).text, docker);
}

TEST(Netplan, LeavesTheCardsOfOtherDriversAndNamesTheOneThatIsMatchedByName) {
  const std::string other =
      "network:\n  ethernets:\n    fast:\n      match: {driver: mlx5_core}\n      addresses: "
      "[10.0.0.2/24]\n";
  const NetworkEdit edit = rewrite_netplan(other, {});
  EXPECT_EQ(edit.text, other);
  EXPECT_FALSE(applies(edit.settings.at(0), {"ens192", "ena"}));
  EXPECT_EQ(rewrite_netplan("network:\n  ethernets:\n    lan:\n      match: {name: ens160}\n      dhcp4: "
                            "true\n",
                            {})
                .nic_names,
            Names{"ens160"});
}

TEST(NetworkScripts, TakeTheAddressByDhcp) {
  const NetworkEdit edit = rewrite_ifcfg(
      "TYPE=Ethernet\nBOOTPROTO=none\nDEVICE=\"ens192\"\nHWADDR=00:50:56:00:00:01\nONBOOT=yes\n"
      "IPADDR0=10.0.0.2\nPREFIX0=24\nGATEWAY0=10.0.0.1\nDNS1=10.0.0.1\nIPV6INIT=no\n",
      {});
  EXPECT_EQ(edit.text, "TYPE=Ethernet\nDEVICE=\"ens192\"\nONBOOT=yes\nIPV6INIT=no\nBOOTPROTO=dhcp\n");
  EXPECT_EQ(edit.nic_names, Names{"ens192"});
  EXPECT_EQ(edit.gateway_device, "ens192");
  ASSERT_EQ(edit.settings.size(), 1U);
  EXPECT_EQ(edit.settings[0].address, AddressSource::dhcp);
  EXPECT_TRUE(edit.settings[0].at_boot);
  EXPECT_EQ(rewrite_ifcfg(edit.text, {}).text, edit.text);
}

TEST(NetworkScripts, LeaveTheLoopbackAndSecondAddressesAlone) {
  const std::string loopback = "DEVICE=lo\nIPADDR=127.0.0.1\nNETMASK=255.0.0.0\nONBOOT=yes\n";
  EXPECT_EQ(rewrite_ifcfg(loopback, {}).text, loopback);
  const std::string second = "DEVICE=eth0:1\nIPADDR=10.0.0.9\n";
  const NetworkEdit edit = rewrite_ifcfg(second, {});
  EXPECT_EQ(edit.text, second);
  EXPECT_EQ(edit.warnings.size(), 1U);
  EXPECT_FALSE(rewrite_ifcfg("DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=no\n", {}).settings.at(0).at_boot);
}

TEST(UdevRules, NameNoCardByTheAddressOrSlotOfTheOldOne) {
  const std::string by_address =
      "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"00:50:56:00:00:01\", "
      "ATTR{type}==\"1\", KERNEL==\"eth*\", NAME=\"eth0\"\n";
  const std::string by_slot = "SUBSYSTEM==\"net\", KERNELS==\"0000:0b:00.0\", NAME=\"lan0\"\n";
  const std::string others =
      "# VMware\nSUBSYSTEM==\"net\", ACTION==\"add\", NAME==\"\", IMPORT{builtin}=\"path_id\"\n"
      "SUBSYSTEM==\"net\", ATTR{address}==\"00:50:56:00:00:02\", RUN+=\"/bin/true\"\n";
  const NetworkEdit edit = rewrite_udev_rules(by_address + others + by_slot, {});
  EXPECT_EQ(edit.text, "# " + by_address + others + "# " + by_slot);
  EXPECT_EQ(edit.changes.size(), 2U);
  EXPECT_EQ(rewrite_udev_rules(edit.text, {}).text, edit.text);
}

TEST(NetworkManager, LeavesOtherConnectionsAlone) {
  const std::string text = "[connection]\ntype=wifi\n[ipv4]\nmethod=manual\naddress1=10.0.0.2/24\n";
  EXPECT_EQ(rewrite_network_manager(text, {}).text, text);
}

}  // namespace
}  // namespace rekindle
