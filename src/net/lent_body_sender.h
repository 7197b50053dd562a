// Sends requests whose body is lent (HttpRequest::borrowed_body) straight from where it lies. libcurl would
// copy all of it through a small buffer of its own, which for blocks that stream to AWS costs as much as the
// kernel does. libcurl still makes the connections: names, proxies, TLS.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/curl_transport.h"
#include "net/http.h"

namespace rekindle {

// Keeps connections open and reuses them; any number of threads.
class LentBodySender {
 public:
  explicit LentBodySender(const TlsTrust& trust);
  ~LentBodySender();
  // As HttpTransport::send(). A PUT is sent a second time when a kept connection closes before an answer, as
  // servers do after a while of silence; nothing else is.
  Result<HttpResponse> send(const HttpRequest& request);

 private:
  class Connection;
  std::unique_ptr<Connection> take(const std::string& origin);
  void give_back(const std::string& origin, std::unique_ptr<Connection> connection);
  void forget(const std::string& origin);

  const TlsTrust trust_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::unique_ptr<Connection>>> idle_;  // by origin
};

}  // namespace rekindle
