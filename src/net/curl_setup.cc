#include "net/curl_setup.h"

#include <openssl/ssl.h>

#include <cstdlib>

#include "net/url.h"

namespace rekindle {

std::string thumbprint_of(X509* certificate, const EVP_MD* hash) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (certificate == nullptr || X509_digest(certificate, hash, digest, &length) != 1) return {};
  return to_hex(std::as_bytes(std::span(digest, length)));
}

std::string normal_thumbprint(std::string_view text) {
  std::string normal;
  for (char c : text) {
    if (c != ':') normal += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return normal;
}

namespace {

int accept_pinned(X509_STORE_CTX* context, void* argument) {
  const auto& wanted = *static_cast<const std::string*>(argument);
  if (thumbprint_of(X509_STORE_CTX_get0_cert(context), EVP_sha256()) == wanted) return 1;
  X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
  return 0;
}

CURLcode pin_certificate(CURL*, void* ssl_context, void* argument) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_context), accept_pinned, argument);
  return CURLE_OK;
}

}  // namespace

// Never through a proxy: this computer (all of 127/8), the metadata service of an EC2 instance (a proxy would
// answer for its own), and what the environment names.
const std::string& direct_hosts() {
  static const std::string hosts = [] {
    const char* named = std::getenv("no_proxy");  // NOLINT(concurrency-mt-unsafe): read once
    return std::string("localhost,127.0.0.0/8,::1,169.254.169.254,fd00:ec2::254") +
           (named != nullptr ? std::string(",") + named : "");
  }();
  return hosts;
}

bool has_http_proxy() {
  static const bool named = [] {
    for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) {  // as libcurl looks for it
      const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once
      if (value != nullptr && *value != '\0') return true;
    }
    return false;
  }();
  return named;
}

void set_up(CURL* curl, const HttpRequest& request, const TlsTrust& trust, char* detail) {
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, direct_hosts().c_str());
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);  // a peer that vanished behind a NAT is noticed
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (trust.kind != TlsTrust::Kind::system) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, trust.kind == TlsTrust::Kind::anyone ? 0L : 1L);
  }
  if (trust.kind == TlsTrust::Kind::thumbprint) {
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, pin_certificate);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, const_cast<std::string*>(&trust.thumbprint));
  }
}

namespace {
std::string where_of(const HttpRequest& request) {
  const auto url = parse_url(request.url);
  return url.ok() ? url->origin() : request.url;
}
}  // namespace

Error error_of(CURLcode code, const char* detail, const HttpRequest& request) {
  const char* text = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  const std::string where = where_of(request);
  if (request.stop.stop_requested()) return {ErrorCode::cancelled, "stopped"};
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return error(ErrorCode::invalid_argument, "'{}' is not a URL", request.url);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return error(ErrorCode::permission_denied,
                   "the TLS certificate of {} is not the one that was registered and no authority vouches "
                   "for it ({}); "
                   "if the server's certificate was renewed, register its new thumbprint",
                   where, text);
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(ErrorCode::unavailable, "the name of {} cannot be resolved; check the address and the DNS",
                   where);
    case CURLE_COULDNT_CONNECT:
      return error(ErrorCode::unavailable,
                   "{} cannot be reached ({}); check the address, the port and that it runs", where, text);
    case CURLE_OPERATION_TIMEDOUT:
      return error(ErrorCode::unavailable, "{} did not answer in time ({})", where, text);
    case CURLE_SEND_FAIL_REWIND:
      return error(ErrorCode::unavailable, "{} closed the connection without an answer", where);
    default:
      return error(ErrorCode::unavailable, "talking to {}: {}", where, text);
  }
}

Error too_big(const HttpRequest& request) {
  return error(ErrorCode::internal, "{} answered more than {} bytes", where_of(request),
               request.max_response_bytes);
}

}  // namespace rekindle
