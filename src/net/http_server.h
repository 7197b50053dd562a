// A small HTTP/1.1 server: keep-alive, Expect: 100-continue, optional TLS; one thread a connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/http.h"
#include "net/tls.h"

namespace rekindle {

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  std::optional<TlsIdentity> tls;
  std::size_t max_body_bytes = 64 * mib;
};

class HttpServer {
 public:
  // Called on the connection's thread, concurrently; must be thread-safe. Beside what it sets, the answer
  // gets Content-Length. An answer with status 0 closes the connection without a word (for faults).
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Listens from the return of this call until destruction. `unavailable` when the port is taken.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, Handler handler);
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace rekindle
