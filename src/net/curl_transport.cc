#include "net/curl_transport.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "net/curl_setup.h"
#include "net/lent_body_sender.h"
#include "net/url.h"

namespace rekindle {

namespace {

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

}  // namespace

struct CurlTransport::Handle {
  CURL* curl = curl_easy_init();
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }
};

CurlTransport::CurlTransport(const TlsTrust& trust)
    : trust_{trust.kind, normal_thumbprint(trust.thumbprint)},
      lent_bodies_(std::make_unique<LentBodySender>(trust_)) {
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
  // A proxy of plain HTTP wants to read the request, and may refuse a tunnel.
  const bool read_by_proxy = request.url.starts_with("http:") && has_http_proxy();
  if (request.borrowed_body.empty() || read_by_proxy) return perform(request);
  return lent_bodies_->send(request);
}

Result<HttpResponse> CurlTransport::perform(const HttpRequest& request) {
  auto handle = take();
  CURL* curl = handle->curl;
  curl_easy_reset(curl);  // keeps connections
  char detail[CURL_ERROR_SIZE] = {};
  Transfer transfer;
  transfer.limit = request.max_response_bytes;
  transfer.stop = request.stop;

  set_up(curl, request, trust_, detail);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch_stop);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
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
  // The handle goes with its connection.
  if (transfer.too_big) return too_big(request);
  if (code != CURLE_OK) return error_of(code, detail, request);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  give_back(std::move(handle));
  return std::move(transfer.response);
}

namespace {

int remember_thumbprint(X509_STORE_CTX* context, void* argument) {
  X509* certificate = X509_STORE_CTX_get0_cert(context);
  *static_cast<Thumbprints*>(argument) = {thumbprint_of(certificate, EVP_sha256()),
                                          thumbprint_of(certificate, EVP_sha1())};
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
  if (code != CURLE_OK) return error_of(code, detail, request);
  if (thumbprints.sha256.empty())
    return error(ErrorCode::internal, "{} showed no TLS certificate", request.url);
  return thumbprints;
}

Result<std::string> fetch_thumbprint(const std::string& host, std::uint16_t port) {
  Thumbprints thumbprints = TRY(fetch_thumbprints(host, port));
  return std::move(thumbprints.sha256);
}

}  // namespace rekindle
