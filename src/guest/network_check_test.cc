#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/boot_arguments.h"
#include "guest/conversion.h"
#include "guest/guest_to_convert_fixture.h"
#include "guest/nic_setting.h"
#include "guest/udev_rule.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;
using testing::HasSubstr;

const std::string wants = "/etc/systemd/system/multi-user.target.wants/";
const std::string units = "/usr/lib/systemd/system/";

// What the certificate looks at: the guest when it is converted.
NetworkReadiness network_of(const fx::Files& files) {
  MemoryDisk disk(disk_of_guest(files));
  const auto converted = convert_guest(disk, {});
  EXPECT_TRUE(converted.ok()) << (converted.ok() ? "" : converted.error().message());
  const auto again = convert_guest(disk, {});
  if (!converted.ok() || !again.ok()) return {};
  EXPECT_FALSE(again->changed_anything()) << testing::PrintToString(again->changes);
  EXPECT_EQ(again->network.sentence, converted->network.sentence);
  return again->network;
}

void expect_up(const fx::Files& files, const std::string& sentence) {
  const NetworkReadiness network = network_of(files);
  EXPECT_EQ(network.verdict, NetworkVerdict::comes_up) << network.sentence;
  EXPECT_EQ(network.sentence, sentence);
}
void expect_down(const fx::Files& files, const std::string& says) {
  const NetworkReadiness network = network_of(files);
  EXPECT_EQ(network.verdict, NetworkVerdict::stays_down) << network.sentence;
  EXPECT_THAT(network.sentence, HasSubstr(says));
}
void expect_not_known(const fx::Files& files, const std::string& says) {
  const NetworkReadiness network = network_of(files);
  EXPECT_EQ(network.verdict, NetworkVerdict::not_known) << network.sentence;
  EXPECT_THAT(network.sentence, HasSubstr(says));
}

void enable(fx::Files& files, const std::string& service) {
  files[units + service + ".service"] = "[Service]\n";
  files[wants + service + ".service"] = "-> " + units + service + ".service";
}

// A guest without ifupdown's configuration.
fx::Files bare() {
  fx::Files files = files_to_convert();
  files.erase("/etc/network/interfaces");
  files.erase(wants + "networking.service");
  return files;
}

TEST(NetworkCheck, IfupdownAsksByDhcp) {
  expect_up(files_to_convert(), "ens192 by DHCP (ifupdown)");
  fx::Files fixed = files_to_convert();
  fixed["/etc/network/interfaces"] =
      "allow-hotplug ens192\niface ens192 inet static\n address 10.0.0.2/24\n gateway 10.0.0.1\n";
  expect_up(fixed, "ens192 by DHCP (ifupdown)");
}

TEST(NetworkCheck, IfupdownReadsTheFilesThatItIsTold) {
  fx::Files files = files_to_convert();
  files["/etc/network/interfaces"] = "auto ens192\nsource /etc/network/interfaces.d/*\n";
  files["/etc/network/interfaces.d/lan"] = "iface ens192 inet dhcp\n";
  expect_up(files, "ens192 by DHCP (ifupdown)");
  files["/etc/network/interfaces"] = "auto ens192\n";
  expect_not_known(files, "no configuration of a NIC was found");
  files["/etc/network/interfaces"] = "auto ens192\nsource /srv/interfaces\n";
  expect_not_known(files, "/srv/interfaces");
}

TEST(NetworkCheck, IfupdownHasToBeThereToStartAndToHaveAClient) {
  fx::Files disabled = files_to_convert();
  disabled.erase(wants + "networking.service");
  expect_down(disabled, "ens192 is configured by ifupdown, which is not installed or does not start");
  fx::Files masked = files_to_convert();
  masked["/etc/systemd/system/networking.service"] = "-> /dev/null";
  expect_down(masked, "does not start");
  fx::Files removed = files_to_convert();
  removed.erase("/usr/sbin/ifup");
  expect_down(removed, "is not installed");
  fx::Files silent = files_to_convert();
  silent.erase("/usr/sbin/dhclient");
  expect_down(silent, "install isc-dhcp-client");
  fx::Files by_hand = files_to_convert();
  by_hand["/etc/network/interfaces"] = "auto lo\niface ens192 inet dhcp\n";
  expect_down(by_hand, "not brought up at boot");
}

TEST(NetworkCheck, AScriptOfTheInitBeforeSystemdStartsIt) {
  fx::Files files = files_to_convert();
  files.erase(wants + "networking.service");
  files.erase(units + "networking.service");
  files["/etc/rcS.d/S12networking"] = "-> ../init.d/networking";
  expect_up(files, "ens192 by DHCP (ifupdown)");
  files.erase("/etc/rcS.d/S12networking");
  files["/etc/rcS.d/K12networking"] = "-> ../init.d/networking";
  expect_down(files, "does not start");
}

TEST(NetworkCheck, ABridgeAsksForTheCardBelowIt) {
  fx::Files files = files_to_convert();
  files["/etc/network/interfaces"] =
      "auto br0\niface br0 inet dhcp\n bridge_ports ens192\niface ens192 inet manual\n";
  expect_up(files, "br0 by DHCP (ifupdown)");
  files["/etc/network/interfaces"] =
      "auto ens192 ens192.20\niface ens192 inet manual\niface ens192.20 inet dhcp\n";
  expect_not_known(files, "ens192 gets no IPv4 address of its own");
}

TEST(NetworkCheck, NetplanNeedsItsGeneratorAndSomethingToWriteFor) {
  fx::Files files = bare();
  files["/etc/netplan/50-cloud-init.yaml"] =
      "network:\n  ethernets:\n    ens160:\n      addresses: [10.0.0.2/24]\n      match: {macaddress: "
      "'00:50:56:00:00:01'}\n      set-name: ens160\n";
  expect_down(files, "ens160 is configured by netplan, which is not installed");
  files["/usr/lib/systemd/system-generators/netplan"] = "PROGRAM";
  expect_down(files, "ens160 is configured by netplan, which is not installed or does not start");
  files[units + "systemd-networkd.service"] = "[Service]\n";
  expect_up(files, "ens160 by DHCP (netplan)");
  files["/etc/netplan/01-all.yaml"] = "network:\n  renderer: NetworkManager\n";
  expect_down(files, "systemctl enable NetworkManager");
  enable(files, "NetworkManager");
  expect_up(files, "ens160 by DHCP (netplan)");
}

TEST(NetworkCheck, NetplanSaysWhoIsToDoIt) {
  fx::Files files = bare();
  files["/usr/lib/systemd/system-generators/netplan"] = "PROGRAM";
  files["/etc/netplan/50-lan.yaml"] = "network:\n  ethernets:\n    ens160:\n      dhcp4: true\n";
  enable(files, "NetworkManager");
  expect_down(files, "netplan leaves the network to systemd-networkd");
  files["/usr/lib/netplan/00-all.yaml"] = "network:\n  renderer: NetworkManager\n";
  expect_up(files, "ens160 by DHCP (netplan)");
  files["/etc/netplan/00-all.yaml"] = "network:\n  version: 2\n";
  expect_down(files, "netplan leaves the network to systemd-networkd");
  files["/etc/netplan/50-lan.yaml"] =
      "network:\n  ethernets:\n    ens160:\n      renderer: NetworkManager\n      dhcp4: true\n";
  expect_up(files, "ens160 by DHCP (netplan)");
}

TEST(NetworkCheck, WhatDoesNotRunKeepsNetworkManagerFromNothing) {
  fx::Files files = bare();
  enable(files, "NetworkManager");
  files["/etc/systemd/network/20-lan.network"] = "[Match]\nName=en*\n[Network]\nDHCP=yes\n";
  expect_up(files, "ens5 by DHCP (NetworkManager, without a profile)");
}

TEST(NetworkCheck, MoreFilesThanAConfigurationHasAreNotReadToTheEnd) {
  fx::Files files = files_to_convert();
  for (int i = 0; i < 257; ++i)
    files["/etc/netplan/" + std::to_string(i) + ".yaml"] = "network:\n  version: 2\n";
  expect_not_known(files, "/etc/netplan has more than 256 files of the network");
}

TEST(NetworkCheck, OfSeveralNicsOneThatComesUpAtBootIsThere) {
  fx::Files files = files_to_convert();
  files["/etc/network/interfaces"] =
      "auto ens224\niface ens192 inet static\n address 10.0.0.2/24\n gateway 10.0.0.1\n"
      "iface ens224 inet dhcp\n";
  expect_up(files, "ens224 by DHCP (ifupdown)");
}

TEST(NetworkCheck, WhatIsWrittenInFlowStyleIsNotKnown) {
  fx::Files files = bare();
  files["/usr/lib/systemd/system-generators/netplan"] = "PROGRAM";
  files[units + "systemd-networkd.service"] = "[Service]\n";
  files["/etc/netplan/lan.yaml"] = "network:\n  ethernets:\n    ens160: {addresses: [10.0.0.2/24]}\n";
  expect_not_known(files, "how ens160 is configured (netplan)");
}

TEST(NetworkCheck, NetworkdTakesTheFirstFileThatFits) {
  fx::Files files = bare();
  files["/etc/systemd/network/20-lan.network"] = "[Match]\nName=en*\n[Network]\nDHCP=yes\n";
  expect_down(files, "systemd-networkd, which is not installed or does not start");
  enable(files, "systemd-networkd");
  expect_up(files, "ens5 by DHCP (systemd-networkd)");
  files["/etc/systemd/network/10-off.network"] = "[Match]\nType=ether\nName=ens*\n[Link]\nUnmanaged=yes\n";
  expect_not_known(files, "ens5 gets no IPv4 address of its own");
}

TEST(NetworkCheck, NetworkManagerWithAProfileOrWithout) {
  fx::Files files = bare();
  enable(files, "NetworkManager");
  expect_up(files, "ens5 by DHCP (NetworkManager, without a profile)");
  files["/etc/NetworkManager/conf.d/server.conf"] = "[main]\nno-auto-default=*\n";
  expect_not_known(files, "no configuration of a NIC");
  const std::string profile = "/etc/NetworkManager/system-connections/lan.nmconnection";
  files[profile] =
      "[connection]\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=manual\naddress1=10.0.0.2/24\n";
  expect_up(files, "ens192 by DHCP (NetworkManager)");
  files[profile] = "[connection]\ntype=ethernet\ninterface-name=ens192\nautoconnect=false\n";
  expect_down(files, "not brought up at boot");
}

TEST(NetworkCheck, NetworkScriptsAreReadByNetworkManagerOrTheirService) {
  fx::Files files = bare();
  files["/etc/sysconfig/network-scripts/ifcfg-eth0"] =
      "DEVICE=eth0\nHWADDR=00:50:56:00:00:01\nIPADDR=10.0.0.2\nONBOOT=yes\n";
  files["/etc/sysconfig/network-scripts/ifcfg-eth0.bak"] = "DEVICE=eth9\n";
  expect_down(files, "network-scripts");
  fx::Files old = files;
  old["/etc/rc.d/rc3.d/S10network"] = "-> ../init.d/network";
  expect_up(old, "eth0 by DHCP (network-scripts)");
  enable(files, "NetworkManager");
  expect_up(files, "eth0 by DHCP (network-scripts)");
}

TEST(NetworkCheck, CloudInitConfiguresWhatItIsNotForbidden) {
  fx::Files files = bare();
  files["/usr/bin/cloud-init"] = "PROGRAM";
  files["/etc/cloud/cloud.cfg"] = "datasource_list: [ NoCloud, Ec2, None ]\n";
  enable(files, "cloud-init-local");
  expect_up(files, "ens5 by DHCP (cloud-init)");
  fx::Files forbidden = files;
  forbidden["/etc/cloud/cloud.cfg.d/99-off.cfg"] = "network:\n  config: disabled\n";
  expect_not_known(forbidden, "no configuration of a NIC");
  fx::Files elsewhere = files;
  elsewhere["/etc/cloud/cloud.cfg.d/99-installer.cfg"] = "datasource_list:\n- None\n";
  expect_not_known(elsewhere, "no configuration of a NIC");
  fx::Files disabled = files;
  disabled["/etc/cloud/cloud-init.disabled"] = "";
  expect_not_known(disabled, "no configuration of a NIC");
}

TEST(NetworkCheck, ALinkOfTheGuestsOwnThatComesFirstGivesTheName) {
  fx::Files files = files_to_convert();
  files["/etc/systemd/network/05-mine.link"] = "[Match]\nType=ether\n[Link]\nName=lan7\n";
  expect_up(files, "ens192 by DHCP (ifupdown)");  // the conversion's rule of udev comes first
  fx::Files unnamed = bare();
  enable(unnamed, "NetworkManager");
  unnamed["/etc/systemd/network/05-mine.link"] = files["/etc/systemd/network/05-mine.link"];
  expect_up(unnamed, "lan7 by DHCP (NetworkManager, without a profile)");
  unnamed["/etc/systemd/network/05-mine.link"] = "[Match]\nMACAddress=00:50:56:00:00:01\n[Link]\nName=lan7\n";
  expect_up(unnamed, "ens5 by DHCP (NetworkManager, without a profile)");
  unnamed["/etc/systemd/network/05-mine.link"] = "-> /dev/null";
  expect_up(unnamed, "ens5 by DHCP (NetworkManager, without a profile)");
}

TEST(NetworkCheck, WithoutLinksTheKernelGivesTheNameUnlessARuleDoes) {
  fx::Files files = bare();
  enable(files, "NetworkManager");
  files["/etc/udev/rules.d/80-net-setup-link.rules"] = "-> /dev/null";
  expect_up(files, "eth0 by DHCP (NetworkManager, without a profile)");
  files["/usr/lib/udev/rules.d/80-net-name-slot.rules"] = "# Red Hat 7's, which asks no links\n";
  expect_up(files, "ens5 by DHCP (NetworkManager, without a profile)");
  fx::Files named = files_to_convert();
  named["/etc/udev/rules.d/80-net-setup-link.rules"] = "-> /dev/null";
  expect_up(named, "ens192 by DHCP (ifupdown)");
}

TEST(NetworkCheck, ARuleOfUdevPinsTheNameUnlessItIsOfTheOldCard) {
  const std::string rules = "/etc/udev/rules.d/70-persistent-net.rules";
  fx::Files files = files_to_convert();
  files[rules] = "SUBSYSTEM==\"net\", ACTION==\"add\", ATTR{address}==\"00:50:56:00:00:01\", NAME=\"eth7\"\n";
  expect_up(files, "ens192 by DHCP (ifupdown)");
  const std::string any = "SUBSYSTEM==\"net\", ACTION==\"add\", KERNEL==\"eth*\", NAME";
  files[rules] = any + "=\"eth7\"\n";
  expect_up(files, "ens192 by DHCP (ifupdown)");  // the conversion's comes later
  files[rules] = any + ":=\"eth7\"\n";
  expect_down(files, "the NIC will be called eth7 by " + rules);
  files[rules] = "";
  files["/etc/udev/rules.d/99-mine.rules"] = any + "=\"eth8\"\n";
  expect_down(files, "the NIC will be called eth8 by /etc/udev/rules.d/99-mine.rules");
  files.erase("/etc/udev/rules.d/99-mine.rules");
  files[rules] = "SUBSYSTEM==\"net\", DRIVERS==\"vmxnet3\", NAME=\"eth7\"\n";
  expect_up(files, "ens192 by DHCP (ifupdown)");
}

TEST(NetworkCheck, OfSeveralNicsTheOneOfTheGatewayIsThere) {
  fx::Files files = files_to_convert();
  files["/etc/network/interfaces"] =
      "auto ens192 ens224\niface ens192 inet static\n address 10.0.0.2/24\n"
      "iface ens224 inet static\n address 10.1.0.2/24\n gateway 10.1.0.1\n";
  expect_up(files, "ens224 by DHCP (ifupdown)");
  MemoryDisk disk(disk_of_guest(files));
  EXPECT_THAT(testing::PrintToString(convert_guest(disk, {})->warnings),
              HasSubstr("2 NICs (ens192, ens224), and an instance starts with one, which will be ens224"));
}

TEST(NetworkCheck, WhatNoToolReadsAnyMoreNamesNoNic) {
  fx::Files files = files_to_convert();
  files["/etc/NetworkManager/system-connections/old"] = "[connection]\ntype=ethernet\ninterface-name=ens33\n";
  files["/etc/netplan/00-old.yaml"] = "network:\n  ethernets:\n    ens160:\n      dhcp4: true\n";
  expect_up(files, "ens192 by DHCP (ifupdown)");
}

TEST(NetworkCheck, AnInitOfItsOwn) {
  fx::Files files = files_to_convert();
  files["/boot/grub/grub.cfg"] = "menuentry 'x' {\n\tlinux /boot/vmlinuz root=UUID=1 init=/usr/sbin/own\n}\n";
  expect_not_known(files, "an init of its own (/usr/sbin/own)");
  files["/usr/sbin/own"] = "#!/bin/busybox sh\nudhcpc -i eth0\n";
  expect_up(files, "by DHCP (/usr/sbin/own starts udhcpc)");
  files["/usr/sbin/own"] = "ELF udhcpc";
  expect_not_known(files, "an init of its own");
}

TEST(NetworkCheck, OthersBringItUp) {
  fx::Files files = bare();
  enable(files, "wicked");
  expect_not_known(files, "wicked brings the network up");
}

TEST(NetworkCheck, AStaticAddressThatIsKeptHasToBeTheInstances) {
  fx::Files files = files_to_convert();
  files["/etc/network/interfaces"] = "auto ens192\niface ens192 inet static\n address 10.0.0.2/24\n";
  MemoryDisk disk(disk_of_guest(files));
  ConversionOptions options;
  options.keep_static_addresses = true;
  const NetworkReadiness network = convert_guest(disk, options)->network;
  EXPECT_EQ(network.verdict, NetworkVerdict::not_known);
  EXPECT_THAT(network.sentence, HasSubstr("ens192 keeps a static address (ifupdown)"));
}

TEST(BootArguments, AreThoseOfTheFirstKernel) {
  const BootArguments arguments =
      boot_arguments_in("set default=0\n linux /vmlinuz net.ifnames=0\n linux /vmlinuz init=/bin/sh\n");
  EXPECT_FALSE(arguments.predictable_names);
  EXPECT_EQ(arguments.init, "");
}

TEST(UdevRule, IsReadTermByTerm) {
  const auto rule = parse_udev_rule("SUBSYSTEM==\"net\", ATTR{address} != \"a,b\",NAME:=\"lan0\"");
  ASSERT_EQ(rule.size(), 3U);
  EXPECT_EQ(rule[1].key, "ATTR{address}");
  EXPECT_EQ(rule[1].op, "!=");
  EXPECT_EQ(rule[1].value, "a,b");
  EXPECT_EQ(nic_name_given_by(rule), "lan0");
  EXPECT_FALSE(is_about_one_card(rule));
  EXPECT_TRUE(parse_udev_rule("# SUBSYSTEM==\"net\"").empty());
  EXPECT_TRUE(parse_udev_rule("NAME=\"open").empty());
}

TEST(Globs, AreOfTheShellAndMayBeInverted) {
  EXPECT_TRUE(glob_matches({}, "ens5"));
  EXPECT_TRUE(glob_matches({"eth*", "en*"}, "ens5"));
  EXPECT_FALSE(glob_matches({"!en*"}, "ens5"));
  EXPECT_TRUE(glob_matches({"!eth*", "br0"}, "ens5"));
  EXPECT_FALSE(glob_matches({std::string(500, '*')}, "ens5"));
}

}  // namespace
}  // namespace rekindle
