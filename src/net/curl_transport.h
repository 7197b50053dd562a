// HttpTransport over libcurl. Keeps connections open and reuses them; any number of threads.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/http.h"

namespace rekindle {

// Whom to believe over TLS.
struct TlsTrust {
  enum class Kind {
    system,      // the machine's certificate authorities
    thumbprint,  // exactly the certificate whose SHA-256 is `thumbprint`, as pinned when it was registered
    anyone,      // no check: only to fetch the thumbprint that is to be pinned
  };
  Kind kind = Kind::system;
  std::string thumbprint;  // 64 hexadecimal digits; colons are allowed
};

class LentBodySender;

class CurlTransport final : public HttpTransport {
 public:
  explicit CurlTransport(const TlsTrust& trust = {});
  ~CurlTransport() override;
  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  struct Handle;
  Result<HttpResponse> perform(const HttpRequest& request);
  std::unique_ptr<Handle> take();
  void give_back(std::unique_ptr<Handle> handle);

  const TlsTrust trust_;
  const std::unique_ptr<LentBodySender> lent_bodies_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
};

// Of the certificate that a server shows, whoever it is.
struct Thumbprints {
  std::string sha256;  // lower-case hexadecimal
  std::string sha1;    // the same; for programs that know no better
};
Result<Thumbprints> fetch_thumbprints(const std::string& host, std::uint16_t port);

// The SHA-256 alone, for pinning at registration.
Result<std::string> fetch_thumbprint(const std::string& host, std::uint16_t port);

}  // namespace rekindle
