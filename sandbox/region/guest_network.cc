#include "sandbox/region/guest_network.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/region/guest_wire.h"

namespace rekindle::sandbox {

namespace {

// Offsets are those of an Ethernet frame: its type, and the two addresses of the IPv4 packet in it.
Result<> keep_from_metadata(const FileDescriptor& socket) {
  constexpr std::uint16_t half = BPF_LD | BPF_H | BPF_ABS, word = BPF_LD | BPF_W | BPF_ABS;
  constexpr std::uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K, end = BPF_RET | BPF_K;
  constexpr std::uint32_t type_ip = 0x0800, whole = 0xffffffff;
  std::array<sock_filter, 8> program = {{{half, 0, 0, 12},
                                         {equal, 0, 5, type_ip},
                                         {word, 0, 0, 26},
                                         {equal, 2, 0, metadata_address},
                                         {word, 0, 0, 30},
                                         {equal, 0, 1, metadata_address},
                                         {end, 0, 0, 0},
                                         {end, 0, 0, whole}}};
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
    return errno_error(errno, "filtering the network of an instance");
  return {};
}

// QEMU's options take a comma as the end of a value.
std::string escaped(const std::filesystem::path& path) {
  std::string text;
  for (const char c : path.string()) text += c == ',' ? ",," : std::string(1, c);
  return text;
}

// The network of the subnet, with AWS's places for router (.1) and DNS (.2); the guest gets its private
// address.
std::string user_network(const InstanceSpec& spec) {
  const std::string forwarding =
      spec.public_ip.empty() ? "" : fmt::format(",hostfwd=tcp:{}:80-{}:80", spec.public_ip, spec.private_ip);
  return fmt::format("user,id=net0,restrict=on,ipv6=off,net={},host={},dns={},dhcpstart={}{}",
                     spec.network.text(), address_text(spec.network.base + 1),
                     address_text(spec.network.base + 2), spec.private_ip, forwarding);
}

}  // namespace

Result<GuestNetwork> GuestNetwork::make() {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return errno_error(errno, "making the network of an instance");
  GuestNetwork network{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  TRY(keep_from_metadata(network.outer_));
  return network;
}

std::vector<std::string> GuestNetwork::arguments(const InstanceSpec& spec) const {
  const std::string cable =
      fmt::format("dgram,id=imds,local.type=unix,local.path={},remote.type=unix,remote.path={}",
                  escaped(guest_socket(spec.directory)), escaped(metadata_socket(spec.directory)));
  std::vector<std::string> arguments;
  for (const std::string& network :
       {user_network(spec), cable, fmt::format("dgram,id=inner,local.type=fd,local.str={}", inner_.get()),
        fmt::format("dgram,id=outer,local.type=fd,local.str={}", outer_.get()),
        std::string("hubport,id=nic,hubid=0"), std::string("hubport,id=to-imds,hubid=0,netdev=imds"),
        std::string("hubport,id=to-inner,hubid=0,netdev=inner"),
        std::string("hubport,id=to-outer,hubid=1,netdev=outer"),
        std::string("hubport,id=to-net0,hubid=1,netdev=net0")}) {
    arguments.insert(arguments.end(), {"-netdev", network});
  }
  return arguments;
}

}  // namespace rekindle::sandbox
