// Serves disks over the NBD protocol, as QEMU, nbdcopy, nbdkit, guestfish and Linux's nbd-client speak it.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "nbd/export.h"
#include "nbd/transmission.h"

namespace rekindle::nbd {

struct Address {
  std::filesystem::path socket;    // a Unix socket's; if empty, TCP:
  std::string host = "127.0.0.1";  // NBD knows no password: think before you open it to others
  std::uint16_t port = 0;          // 0: one that is free
};

// Each client has a thread that reads its requests; a small pool for all performs them, so that one client's
// requests are answered in parallel and out of order. All clients see one disk: a flush of one is a flush of
// all. Memory: at most 32 MiB per thread of the pool, per waiting request and per client that is writing.
class Server {
 public:
  // `exports` is not empty, names differ; the disks outlive the server. A socket file that nobody listens on
  // is replaced. `already_exists` if somebody does; `permission_denied`; `invalid_argument`: no such address.
  static Result<std::unique_ptr<Server>> start(const Address& address, std::vector<Export> exports,
                                               std::size_t threads = 8);
  // Hangs up on everybody; removes the socket file.
  ~Server();

  // "nbd+unix:///NAME?socket=PATH" or "nbd://127.0.0.1:10809/NAME".
  std::string uri(const Export& exported) const;
  const std::vector<Export>& exports() const { return exports_; }
  const Address& address() const { return address_; }

 private:
  struct Client;
  struct Task {
    std::shared_ptr<Connection> connection;
    Session session;
    Request request;
  };
  Server(Address address, FileDescriptor listener, std::vector<Export> exports, std::size_t threads);
  void accept_clients();
  void serve(const std::shared_ptr<Connection>& connection);
  void work();

  const Address address_;
  const FileDescriptor listener_;
  const std::vector<Export> exports_;
  BoundedQueue<Task> tasks_;
  std::list<std::unique_ptr<Client>> clients_;  // of the accepting thread
  std::vector<std::jthread> workers_;
  std::jthread acceptor_;
};

}  // namespace rekindle::nbd
