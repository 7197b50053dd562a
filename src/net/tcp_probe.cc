#include "net/tcp_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/file.h"

namespace rekindle {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<> connect_to(const addrinfo& address, std::chrono::milliseconds patience) {
  const FileDescriptor socket(
      ::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol));
  if (!socket) return errno_error(errno, "opening a socket");
  int reason = ::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (reason == EINPROGRESS) {
    pollfd waiting{socket.get(), POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
    if (ready == 0) return error(ErrorCode::unavailable, "no answer");
    socklen_t length = sizeof reason;
    if (ready < 0 || ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &reason, &length) != 0) reason = errno;
  }
  if (reason == 0) return {};
  return error(ErrorCode::unavailable, "{}", errno_error(reason, "connecting").message());
}

}  // namespace

Result<> probe_tcp(const std::string& host, std::uint16_t port, std::chrono::milliseconds patience) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0) return error(ErrorCode::unavailable, "{}: {}", host, ::gai_strerror(code));
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  Result<> last = error(ErrorCode::unavailable, "{} has no address", host);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    last = connect_to(*address, patience);
    if (last.ok()) return last;
  }
  return last;
}

}  // namespace rekindle
