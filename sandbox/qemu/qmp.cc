#include "sandbox/qemu/qmp.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <thread>

#include "base/file.h"

namespace rekindle::sandbox {

using nlohmann::json;
using SteadyTime = std::chrono::steady_clock::time_point;

namespace {

// QEMU answers at once, except to commands that drain disks; nothing honest takes this long.
constexpr auto answer_patience = std::chrono::seconds(120);

Result<sockaddr_un> unix_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    return error(
        ErrorCode::invalid_argument,
        "the path of the socket {} is longer than the {} bytes a Unix socket may have; use a directory "
        "with a shorter path",
        text, sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

}  // namespace

struct Qmp::Connection {
  FileDescriptor socket;
  std::filesystem::path path;
  std::string received;
  std::deque<json> events;
  // Not from 1 in each connection, or a late answer to another one would look like ours.
  int last_id = static_cast<int>(std::chrono::steady_clock::now().time_since_epoch().count() % 1000000000);

  Result<> open(const sockaddr_un& address) {
    socket = FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return errno_error(errno, "making a socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return errno_error(errno, fmt::format("connecting to {}", path.string()));
    }
    return {};
  }

  Result<> write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t put = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0)
        return error(ErrorCode::unavailable, "QEMU at {} is gone: {}", path.string(), std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  // The next message, of any kind.
  Result<json> read(SteadyTime deadline) {
    while (true) {
      const auto end = received.find('\n');
      if (end != std::string::npos) {
        json message = json::parse(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(end),
                                   nullptr, false);
        received.erase(0, end + 1);
        if (message.is_object()) return message;
        return error(ErrorCode::internal, "QEMU at {} sent something that is not a message", path.string());
      }
      TRY(receive(deadline));
    }
  }

  Result<> receive(SteadyTime deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled{socket.get(), POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) return {};
    if (ready < 0) return errno_error(errno, "waiting for QEMU");
    if (ready == 0) return error(ErrorCode::unavailable, "QEMU at {} did not answer in time", path.string());
    char buffer[16384];
    const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) return {};
    if (got <= 0) return error(ErrorCode::unavailable, "QEMU at {} has ended", path.string());
    received.append(buffer, static_cast<std::size_t>(got));
    return {};
  }

  // Answers are told apart by ids: QEMU may still send one that an earlier connection did not wait for.
  Result<json> ask(std::string_view command, json arguments, SteadyTime deadline) {
    const int id = ++last_id;
    const json request = {{"execute", command}, {"arguments", std::move(arguments)}, {"id", id}};
    TRY(write(request.dump() + "\n"));
    while (true) {
      json message = TRY(read(deadline));
      if (message.contains("event")) {
        events.push_back(std::move(message));
      } else if (message.value("id", 0) == id) {
        return message;
      }
    }
  }

  Result<> greet(SteadyTime deadline) {
    const json greeting = TRY(read(deadline));
    if (!greeting.contains("QMP"))
      return error(ErrorCode::internal, "{} is not a QEMU monitor", path.string());
    TRY(ask("qmp_capabilities", json::object(), deadline));
    return {};
  }
};

Qmp::Qmp(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Qmp::~Qmp() = default;

Result<std::unique_ptr<Qmp>> Qmp::connect(const std::filesystem::path& socket,
                                          std::chrono::milliseconds patience) {
  const sockaddr_un address = TRY(unix_address(socket));
  const SteadyTime deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto connection = std::make_unique<Connection>();
    connection->path = socket;
    Result<> opened = connection->open(address);
    if (opened.ok()) opened = connection->greet(deadline);
    if (opened.ok()) return std::unique_ptr<Qmp>(new Qmp(std::move(connection)));
    if (std::chrono::steady_clock::now() >= deadline) {
      return error(ErrorCode::unavailable, "no QEMU answers at {}: {}", socket.string(),
                   opened.error().message());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<json> Qmp::execute(std::string_view command, json arguments) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + answer_patience;
  json message = TRY(connection_->ask(command, std::move(arguments), deadline), "{}", command);
  if (!message.contains("error")) return message["return"];
  const json& failure = message["error"];
  return error(ErrorCode::internal, "QEMU refuses {}: {} ({})", command, failure.value("desc", ""),
               failure.value("class", ""));
}

Result<json> Qmp::wait_event(std::string_view name, const std::function<bool(const json& data)>& matches,
                             std::chrono::milliseconds patience) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + patience;
  const json no_data = json::object();
  std::size_t next = 0;
  while (true) {
    for (; next < connection_->events.size(); ++next) {
      const json& event = connection_->events[next];
      const json data = event.value("data", no_data);
      if (event["event"] != name || !matches(data)) continue;
      connection_->events.erase(connection_->events.begin() + static_cast<std::ptrdiff_t>(next));
      return data;
    }
    json message = TRY(connection_->read(deadline), "waiting for {}", name);
    if (message.contains("event")) connection_->events.push_back(std::move(message));
  }
}

}  // namespace rekindle::sandbox
