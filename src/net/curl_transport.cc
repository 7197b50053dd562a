#include "net/curl_transport.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "net/url.h"

namespace rekindle {

namespace {

std::string thumbprint_of(X509* certificate, const EVP_MD* hash = EVP_sha256()) {
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

int accept_pinned(X509_STORE_CTX* context, void* argument) {
  const auto& wanted = *static_cast<const std::string*>(argument);
  if (thumbprint_of(X509_STORE_CTX_get0_cert(context)) == wanted) return 1;
  X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
  return 0;
}

CURLcode pin_certificate(CURL*, void* ssl_context, void* argument) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_context), accept_pinned, argument);
  return CURLE_OK;
}

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

struct Transfer {
  HttpResponse response;
  std::size_t limit = 0;
  std::stop_token stop;
  bool too_big = false;
};

// Sends a body. It cannot be rewound, and that is the point: libcurl sends a request again by itself when a
// kept connection closes before an answer (Curl_retry_request), which may do a second time what was done
// already.
std::size_t give_body(char* to, std::size_t, std::size_t room, void* argument) {
  auto& rest = *static_cast<ByteView*>(argument);
  const std::size_t count = std::min(room, rest.size());
  std::memcpy(to, rest.data(), count);
  rest = rest.subspan(count);
  return count;
}

std::size_t take_body(char* data, std::size_t, std::size_t count, void* argument) {
  auto& transfer = *static_cast<Transfer*>(argument);
  if (transfer.response.body.size() + count > transfer.limit) {
    transfer.too_big = true;
    return 0;
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  transfer.response.body.insert(transfer.response.body.end(), bytes, bytes + count);
  return count;
}

std::size_t take_header(char* data, std::size_t, std::size_t count, void* argument) {
  auto& transfer = *static_cast<Transfer*>(argument);
  std::string_view line(data, count);
  if (line.starts_with("HTTP/")) {  // a new header block: after 100 Continue, or the real one
    transfer.response.headers = {};
    return count;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return count;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
    value.remove_suffix(1);
  const std::string name(line.substr(0, colon));
  if (equal_ignoring_case(name, "Content-Length")) {  // one allocation instead of many
    std::size_t length = 0;
    std::from_chars(value.data(), value.data() + value.size(), length);
    transfer.response.body.reserve(std::min(length, transfer.limit));
  }
  transfer.response.headers.add(name, std::string(value));
  return count;
}

int watch_stop(void* argument, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(argument)->stop.stop_requested() ? 1 : 0;
}

Error error_of(CURLcode code, const char* detail, const Transfer& transfer, const HttpRequest& request) {
  const char* text = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  const auto url = parse_url(request.url);
  const std::string where = url.ok() ? url->origin() : request.url;
  if (transfer.stop.stop_requested()) return {ErrorCode::cancelled, "stopped"};
  if (transfer.too_big)
    return error(ErrorCode::internal, "{} answered more than {} bytes", where, transfer.limit);
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

}  // namespace

struct CurlTransport::Handle {
  CURL* curl = curl_easy_init();
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }
};

CurlTransport::CurlTransport(const TlsTrust& trust)
    : trust_{trust.kind, normal_thumbprint(trust.thumbprint)} {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  CHECK(ready);
}

CurlTransport::~CurlTransport() = default;

std::unique_ptr<CurlTransport::Handle> CurlTransport::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Handle>();
  auto handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

void CurlTransport::give_back(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(handle));
}

Result<HttpResponse> CurlTransport::send(const HttpRequest& request) {
  auto handle = take();
  CURL* curl = handle->curl;
  curl_easy_reset(curl);  // keeps connections
  char detail[CURL_ERROR_SIZE] = {};
  Transfer transfer;
  transfer.limit = request.max_response_bytes;
  transfer.stop = request.stop;

  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, direct_hosts().c_str());
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);  // a peer that vanished behind a NAT is noticed
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch_stop);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  if (trust_.kind != TlsTrust::Kind::system) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, trust_.kind == TlsTrust::Kind::anyone ? 0L : 1L);
  }
  if (trust_.kind == TlsTrust::Kind::thumbprint) {
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, pin_certificate);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, const_cast<std::string*>(&trust_.thumbprint));
  }
  const ByteView body = request.content();
  ByteView rest_of_body = body;
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST" && !body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, &rest_of_body);
  } else if (!body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, reinterpret_cast<const char*>(body.data()));
  }
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());

  curl_slist* headers = nullptr;
  // Waiting for 100-continue costs a round trip per block and some servers never send it.
  headers = curl_slist_append(headers, "Expect:");
  for (const auto& [name, value] : request.headers) {
    // curl sends "name;" as a header without a value, and "name:" not at all.
    const std::string line = value.empty() ? name + ";" : fmt::format("{}: {}", name, value);
    headers = curl_slist_append(headers, line.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (code != CURLE_OK)
    return error_of(code, detail, transfer, request);  // the handle goes with its connection
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  give_back(std::move(handle));
  return std::move(transfer.response);
}

namespace {

int remember_thumbprint(X509_STORE_CTX* context, void* argument) {
  X509* certificate = X509_STORE_CTX_get0_cert(context);
  *static_cast<Thumbprints*>(argument) = {thumbprint_of(certificate), thumbprint_of(certificate, EVP_sha1())};
  return 1;
}

CURLcode watch_certificate(CURL*, void* ssl_context, void* argument) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_context), remember_thumbprint, argument);
  return CURLE_OK;
}

}  // namespace

Result<Thumbprints> fetch_thumbprints(const std::string& host, std::uint16_t port) {
  CurlTransport initialise_curl;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  Thumbprints thumbprints;
  char detail[CURL_ERROR_SIZE] = {};
  HttpRequest request;
  request.url = Url{"https", host, port, "/", ""}.origin();
  curl_easy_setopt(curl.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, direct_hosts().c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, 10000L);
  curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl.get(), CURLOPT_SSL_CTX_FUNCTION, watch_certificate);
  curl_easy_setopt(curl.get(), CURLOPT_SSL_CTX_DATA, &thumbprints);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) return error_of(code, detail, Transfer{}, request);
  if (thumbprints.sha256.empty())
    return error(ErrorCode::internal, "{} showed no TLS certificate", request.url);
  return thumbprints;
}

Result<std::string> fetch_thumbprint(const std::string& host, std::uint16_t port) {
  Thumbprints thumbprints = TRY(fetch_thumbprints(host, port));
  return std::move(thumbprints.sha256);
}

}  // namespace rekindle
