// Where clients come in.
#pragma once

#include "base/file.h"
#include "nbd/server.h"

namespace rekindle::nbd {

// A socket that listens at `address`, whose port is filled in. For errors see Server::start().
Result<FileDescriptor> listen_at(Address& address);

}  // namespace rekindle::nbd
