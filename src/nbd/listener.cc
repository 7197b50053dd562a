#include "nbd/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace rekindle::nbd {

namespace {

constexpr int backlog = 16;

Result<FileDescriptor> new_socket(int family) {
  FileDescriptor made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made) return errno_error(errno, "making a socket");
  return made;
}

Result<sockaddr_un> unix_address(const std::filesystem::path& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof name.sun_path) {
    return error(ErrorCode::invalid_argument, "the path {} is too long for a socket: at most {} characters",
                 text, sizeof name.sun_path - 1);
  }
  std::ranges::copy(text, name.sun_path);
  return name;
}

// A socket file outlives the process that made it, if that was killed.
Result<> remove_dead_socket(const std::filesystem::path& path, const sockaddr_un& name) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) {
    return error(ErrorCode::already_exists, "{} exists and is no socket: choose another name", path.string());
  }
  const FileDescriptor probe = TRY(new_socket(AF_UNIX));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) {
    return error(ErrorCode::already_exists, "somebody listens on {}: choose another name", path.string());
  }
  return remove_file(path);
}

Result<FileDescriptor> listen_unix(const std::filesystem::path& path) {
  const sockaddr_un name = TRY(unix_address(path));
  TRY(remove_dead_socket(path, name));
  FileDescriptor listener = TRY(new_socket(AF_UNIX));
  // Only the owner may connect: set before anybody can.
  ::fchmod(listener.get(), 0600);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), backlog) != 0) {
    return errno_error(errno, fmt::format("listening on {}", path.string()));
  }
  return listener;
}

Result<FileDescriptor> listen_tcp(const std::string& host, std::uint16_t& port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &name.sin_addr) != 1) {
    return error(ErrorCode::invalid_argument, "'{}' is no IPv4 address of this computer", host);
  }
  FileDescriptor listener = TRY(new_socket(AF_INET));
  const int yes = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  socklen_t length = sizeof name;
  auto* const generic = reinterpret_cast<sockaddr*>(&name);
  if (::bind(listener.get(), generic, length) != 0 || ::listen(listener.get(), backlog) != 0 ||
      ::getsockname(listener.get(), generic, &length) != 0) {
    return errno_error(errno, fmt::format("listening on {}:{}", host, port));
  }
  port = ntohs(name.sin_port);
  return listener;
}

}  // namespace

Result<FileDescriptor> listen_at(Address& address) {
  if (!address.socket.empty()) return listen_unix(address.socket);
  return listen_tcp(address.host, address.port);
}

}  // namespace rekindle::nbd
