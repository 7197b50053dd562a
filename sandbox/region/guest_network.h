// What an instance's NIC is plugged into: QEMU's options for it, and two sockets that QEMU inherits.
//
//   NIC -- hub 0 -- cable to the metadata service (metadata_links.h)
//            |
//          filter
//            |
//          hub 1 -- user network: DHCP, and port 80 of the public address
//
// The user network, which lets nothing out, would break each connection of the guest with 169.254.169.254: it
// sees the frames on the hub, and answers for every address with a reset. So it is behind a pair of sockets,
// the outer of which has a filter in the kernel (BPF) that drops what goes to that address or comes from it.
// The server is not on that road.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "sandbox/region/machine.h"

namespace rekindle::sandbox {

class GuestNetwork {
 public:
  static Result<GuestNetwork> make();

  // Networks of the names net0 (the user network) and nic (for the device).
  std::vector<std::string> arguments(const InstanceSpec& spec) const;
  // What QEMU must inherit.
  std::vector<int> sockets() const { return {inner_.get(), outer_.get()}; }

 private:
  GuestNetwork(FileDescriptor inner, FileDescriptor outer)
      : inner_(std::move(inner)), outer_(std::move(outer)) {}

  FileDescriptor inner_, outer_;
};

}  // namespace rekindle::sandbox
