// The second phase of a connection: requests and their answers.
#pragma once

#include <functional>
#include <memory>

#include "nbd/connection.h"
#include "nbd/export.h"
#include "nbd/protocol.h"

namespace rekindle::nbd {

struct Request {
  std::uint16_t flags = 0;
  Command command = Command::disconnect;
  std::uint64_t cookie = 0;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  Bytes payload;  // of a write
};

// Reads the next request, and whether what it asks for can be at all is not looked at yet.
// `invalid_argument`: no request, or a write that is longer than the protocol allows: nothing after it can be
// understood.
Result<Request> receive_request(Connection& connection);

// Performs a request and sends the answer. Any number of threads. An error of the disk is told to the client
// and logged; the only error returned is that the client is gone.
Result<> perform(const Request& request, const Session& session, Connection& connection);

}  // namespace rekindle::nbd
