// HTTP as values, and the interface that sends it. Implementations: CurlTransport (net/curl_transport.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

// Header names compare without case.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string name, std::string value);
  // The first value, or "" if there is none.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // client: absolute
  HttpHeaders headers;
  Bytes body;
  // Client only:
  ByteView borrowed_body;  // unless empty, sent instead of `body`; lent until send() returns
  std::chrono::milliseconds connect_timeout{10000};
  std::chrono::milliseconds timeout{60000};  // of the whole attempt
  std::size_t max_response_bytes = 256 * mib;
  std::stop_token stop;  // gives up with `cancelled`
  // Server only:
  std::string path;      // decoded
  std::string raw_path;  // as on the wire, without query
  std::string query;     // as on the wire
  std::string remote_address;

  // What is sent, or was received.
  ByteView content() const { return borrowed_body.empty() ? ByteView(body) : borrowed_body; }
  std::string_view body_text() const { return as_text(content()); }
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  Bytes body;

  std::string_view body_text() const { return as_text(body); }
  static HttpResponse text(int status, std::string_view content_type, std::string_view body);
};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // One attempt. Any status is a success of this call; errors are `unavailable` (no connection, timeout,
  // reset), `permission_denied` (TLS certificate not trusted), `cancelled`, `invalid_argument` (not a URL).
  // Any thread.
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace rekindle
