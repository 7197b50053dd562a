#include "nbd/server.h"

#include <sys/socket.h>

#include <atomic>
#include <cerrno>

#include "base/log.h"
#include "nbd/handshake.h"
#include "nbd/listener.h"

namespace rekindle::nbd {

namespace {

constexpr std::size_t most_clients = 64;
constexpr std::chrono::seconds handshake_patience{30};

// In a URI, of a path or a name: what is neither unreserved nor a slash.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

struct Server::Client {
  std::shared_ptr<Connection> connection;
  std::atomic<bool> over = false;
  std::jthread thread;  // last: it uses the others
};

Result<std::unique_ptr<Server>> Server::start(const Address& address, std::vector<Export> exports,
                                              std::size_t threads) {
  CHECK(!exports.empty() && threads > 0);
  Address at = address;
  FileDescriptor listener = TRY(listen_at(at), "serving NBD");
  return std::unique_ptr<Server>(new Server(std::move(at), std::move(listener), std::move(exports), threads));
}

Server::Server(Address address, FileDescriptor listener, std::vector<Export> exports, std::size_t threads)
    : address_(std::move(address)),
      listener_(std::move(listener)),
      exports_(std::move(exports)),
      tasks_(threads) {
  for (std::size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  acceptor_ = std::jthread([this] { accept_clients(); });
}

Server::~Server() {
  ::shutdown(listener_.get(), SHUT_RDWR);  // wakes the acceptor for the last time
  acceptor_.join();
  for (const auto& client : clients_) client->connection->shut();
  tasks_.abandon();
  clients_.clear();
  workers_.clear();
  if (!address_.socket.empty()) (void)remove_file(address_.socket).ok();
}

std::string Server::uri(const Export& exported) const {
  if (address_.socket.empty()) {
    return fmt::format("nbd://{}:{}/{}", address_.host, address_.port, escaped(exported.name));
  }
  return fmt::format("nbd+unix:///{}?socket={}", escaped(exported.name), escaped(address_.socket.string()));
}

void Server::accept_clients() {
  while (true) {
    FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::erase_if(clients_, [](const auto& client) { return client->over.load(); });
    if (!socket && (errno == EINVAL || errno == EBADF)) return;  // shut down
    if (!socket && (errno == EMFILE || errno == ENFILE)) std::this_thread::sleep_for(std::chrono::seconds(1));
    if (!socket || clients_.size() >= most_clients) continue;
    auto client = std::make_unique<Client>();
    client->connection = std::make_shared<Connection>(std::move(socket));
    client->thread = std::jthread([this, &mine = *client] {
      serve(mine.connection);
      mine.connection->shut();
      mine.over = true;
    });
    clients_.push_back(std::move(client));
  }
}

void Server::serve(const std::shared_ptr<Connection>& connection) {
  connection->set_patience(handshake_patience);
  const auto session = shake_hands(*connection, exports_);
  if (!session.ok()) log::info("NBD: {}", session.error().message());
  if (!session.ok() || !*session) return;
  connection->set_patience(std::chrono::seconds(0));
  while (true) {
    auto request = receive_request(*connection);
    if (!request.ok()) {
      log::info("NBD export {}: {}", (*session)->exported->name, request.error().message());
      return;
    }
    if (request->command == Command::disconnect) return;
    if (!tasks_.push({connection, **session, std::move(request).value()})) return;
  }
}

void Server::work() {
  while (auto task = tasks_.pop()) {
    const Result<> sent = perform(task->request, task->session, *task->connection);
    if (!sent.ok()) log::info("NBD export {}: {}", task->session.exported->name, sent.error().message());
  }
}

}  // namespace rekindle::nbd
