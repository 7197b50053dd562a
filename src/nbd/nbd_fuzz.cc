// Any bytes as what a client sends: the handshake, then requests, on a disk that can be written.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "disk/memory_disk.h"
#include "nbd/handshake.h"
#include "nbd/transmission.h"

namespace rekindle::nbd {
namespace {

void serve(Connection& connection) {
  static MemoryDisk disk(256 * kib);
  static const std::array exports{Export{"disk", "a disk", &disk, &disk},
                                  Export{"read-only", "", &disk, nullptr}};
  const auto session = shake_hands(connection, exports);
  if (!session.ok() || !*session) return;
  while (true) {
    const auto request = receive_request(connection);
    if (!request.ok() || request->command == Command::disconnect) return;
    if (!perform(*request, **session, connection).ok()) return;
  }
}

void feed(ByteView bytes) {
  std::array<int, 2> ends{};
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const FileDescriptor client(ends[0]);
  // All of it fits into the socket, and then the client says no more; but it takes every answer.
  CHECK(::write(client.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  CHECK(::shutdown(client.get(), SHUT_WR) == 0);
  const std::jthread taker([&client] {
    std::array<std::byte, 16384> answers{};
    while (::read(client.get(), answers.data(), answers.size()) > 0) {
    }
  });
  Connection connection{FileDescriptor(ends[1])};
  serve(connection);
  connection.shut();
}

}  // namespace
}  // namespace rekindle::nbd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 65536) rekindle::nbd::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
