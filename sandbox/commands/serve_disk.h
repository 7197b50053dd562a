// `rekindle sandbox serve-disk`: plays the part of `nbdkit vddk` before the local datacenter.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace rekindle::sandbox {

struct ServeDiskOptions {
  std::string host;
  std::uint16_t port = 0;
  std::string thumbprint;  // SHA-256 of the datacenter's certificate
  std::string user;
  std::filesystem::path password_file;
  std::string machine;           // its managed object id
  std::string file;              // "[datastore1] web/web.vmdk"
  std::filesystem::path socket;  // where it is served as NBD, read-write
};

// Serves the disk until stopped. The datacenter writes and knows what is written, as an ESXi host does for
// VDDK; it closes the disk also when this process dies. `failed_precondition`: the machine has snapshots;
// `unavailable`: it is on, or another program has the disk, or the datacenter is gone.
Result<> serve_disk(const ServeDiskOptions& options, std::stop_token stop);

}  // namespace rekindle::sandbox
