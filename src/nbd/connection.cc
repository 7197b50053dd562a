#include "nbd/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cerrno>

namespace rekindle::nbd {

namespace {

constexpr std::chrono::seconds longest_send{60};

void set_timeout(int socket, int option, std::chrono::seconds time) {
  const timeval value{time.count(), 0};
  ::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value);
}

Error gone() {
  return error(ErrorCode::unavailable, "the NBD client is gone");
}

}  // namespace

Connection::Connection(FileDescriptor socket) : socket_(std::move(socket)) {
  const int yes = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // no effect on Unix sockets
  // Who asks but does not take the answers must not hold the threads that others need.
  set_timeout(socket_.get(), SO_SNDTIMEO, longest_send);
}

void Connection::set_patience(std::chrono::seconds patience) {
  set_timeout(socket_.get(), SO_RCVTIMEO, patience);
}

Result<> Connection::receive(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return gone();
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<> Connection::skip(std::uint64_t length) {
  Bytes waste(std::min<std::uint64_t>(length, 64 * kib));
  while (length > 0) {
    const std::uint64_t step = std::min<std::uint64_t>(length, waste.size());
    TRY(receive(ByteSpan(waste).first(step)));
    length -= step;
  }
  return {};
}

Result<> Connection::send(ByteView head, ByteView body) {
  const std::lock_guard lock(sending_);
  while (!head.empty() || !body.empty()) {
    iovec parts[2] = {{const_cast<std::byte*>(head.data()), head.size()},
                      {const_cast<std::byte*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t put = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      shut();  // half a message is out: nothing sensible can follow
      return gone();
    }
    const auto of_head = std::min(static_cast<std::size_t>(put), head.size());
    head = head.subspan(of_head);
    body = body.subspan(static_cast<std::size_t>(put) - of_head);
  }
  return {};
}

void Connection::shut() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace rekindle::nbd
