// Which frames come through to the user network.
#include "sandbox/region/guest_network.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace rekindle::sandbox {
namespace {

const std::string macs = "525500000001060102030405";
const std::string other = "0a000519", metadata = "a9fea9fe";

std::string ipv4(const std::string& from, const std::string& to) {
  return macs + "0800" + "450000280001400040060000" + from + to + std::string(40, '0');
}
std::string arp(const std::string& target) {
  return macs + "0806" + "0001080006040001" + "060102030405" + other + "000000000000" + target;
}

// Whether what goes in at the guest's end comes out at the other, and unchanged.
bool passes(const GuestNetwork& network, const std::string& frame) {
  const Bytes sent = from_hex(frame).value();
  EXPECT_EQ(::send(network.sockets()[0], sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()))
      << "the guest learns nothing of the filter";
  Bytes got(2048);
  const ssize_t length = ::recv(network.sockets()[1], got.data(), got.size(), MSG_DONTWAIT);
  if (length < 0) return false;
  got.resize(static_cast<std::size_t>(length));
  EXPECT_EQ(got, sent);
  return true;
}

TEST(GuestNetwork, KeepsTheMetadataServiceFromTheUserNetwork) {
  const GuestNetwork network = GuestNetwork::make().value();
  EXPECT_TRUE(passes(network, ipv4(other, "0a000501")));
  EXPECT_TRUE(passes(network, arp("0a000501")));
  EXPECT_TRUE(passes(network, arp(metadata))) << "nobody there says that it has this address";
  EXPECT_FALSE(passes(network, ipv4(other, metadata)));
  EXPECT_FALSE(passes(network, ipv4(metadata, other)));
  EXPECT_TRUE(passes(network, ipv4(other, "a9fea9fd")));
}

TEST(GuestNetwork, JoinsTheNicWithBothNetworks) {
  const GuestNetwork network = GuestNetwork::make().value();
  InstanceSpec spec;
  spec.directory = "/tmp/a,b";
  spec.network = Network::parse("10.0.5.0/24").value();
  spec.private_ip = "10.0.5.25";
  spec.public_ip = "127.64.0.9";
  const auto arguments = network.arguments(spec);
  EXPECT_EQ(
      arguments.at(1),
      "user,id=net0,restrict=on,ipv6=off,net=10.0.5.0/24,host=10.0.5.1,dns=10.0.5.2,dhcpstart=10.0.5.25,"
      "hostfwd=tcp:127.64.0.9:80-10.0.5.25:80");
  EXPECT_EQ(arguments.at(3),
            "dgram,id=imds,local.type=unix,local.path=/tmp/a,,b/wire.sock,remote.type=unix,"
            "remote.path=/tmp/a,,b/imds.sock");
  EXPECT_EQ(arguments.at(5), fmt::format("dgram,id=inner,local.type=fd,local.str={}", network.sockets()[0]));
}

}  // namespace
}  // namespace rekindle::sandbox
