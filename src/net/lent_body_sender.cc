#include "net/lent_body_sender.h"

#include <poll.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "net/curl_setup.h"
#include "net/url.h"

namespace rekindle {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Parser = http::response_parser<http::vector_body<std::byte>>;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t read_bytes = 16 * kib;
constexpr std::size_t most_head_bytes = 64 * kib;
constexpr milliseconds look_every{200};  // whether to stop
// A connection that was silent for longer may be gone without a word: what stands between forgets it.
constexpr std::chrono::seconds longest_idle{60};

std::string head_of(const HttpRequest& request, const Url& url) {
  std::string head = fmt::format("{} {}{}{} HTTP/1.1\r\n", request.method, url.path,
                                 url.query.empty() ? "" : "?", url.query);
  if (!request.headers.has("Host")) head += fmt::format("Host: {}\r\n", url.authority());
  for (const auto& [name, value] : request.headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + fmt::format("Content-Length: {}\r\n\r\n", request.content().size());
}

HttpResponse response_of(Parser::value_type wire) {
  HttpResponse response;
  response.status = static_cast<int>(wire.result_int());
  for (const auto& field : wire)
    response.headers.add(std::string(field.name_string()), std::string(field.value()));
  response.body = std::move(wire.body());
  return response;
}

}  // namespace

// One connection, and at most one exchange at a time.
class LentBodySender::Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { curl_easy_cleanup(curl_); }

  Result<> connect(const HttpRequest& request, const TlsTrust& trust, SteadyTime deadline) {
    char detail[CURL_ERROR_SIZE] = {};
    set_up(curl_, request, trust, detail);
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(left, milliseconds(1)).count()));
    curl_easy_setopt(curl_, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl_, CURLOPT_HTTPPROXYTUNNEL, 1L);  // what is written goes to the server as it is
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, watch_stop);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, &request);
    const CURLcode code = curl_easy_perform(curl_);
    curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, nullptr);  // what was lent for this call
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, nullptr);
    if (code != CURLE_OK) return error_of(code, detail, request);
    curl_easy_getinfo(curl_, CURLINFO_ACTIVESOCKET, &socket_);
    return {};
  }

  // Whether nobody has closed it or said something unasked since the last exchange.
  bool usable() {
    if (!can(POLLIN, milliseconds(0))) return true;
    std::size_t count = 0;  // over TLS what is there may be none of ours
    return receive(count) == CURLE_AGAIN;
  }

  // `deadline`: of the whole.
  Result<HttpResponse> exchange(const HttpRequest& request, const Url& url, SteadyTime deadline) {
    request_ = &request;
    deadline_ = deadline;
    buffer_.clear();
    answered_ = false;
    const std::string head = head_of(request, url);
    bool sent = TRY(put(as_bytes(head)));
    if (sent) sent = TRY(put(request.content()));
    HttpResponse response = TRY(read_answer());
    // Nobody can have done what he has not heard to its end.
    if (!sent && response.status < 300) return error_of(CURLE_SEND_FAIL_REWIND, "", request);
    reusable_ = reusable_ && sent;
    last_used_ = std::chrono::steady_clock::now();
    return response;
  }

  bool answered() const { return answered_; }  // there came at least one byte
  SteadyTime last_used() const { return last_used_; }
  bool reusable() const { return reusable_; }  // for the next exchange, after one that succeeded

 private:
  static int watch_stop(void* argument, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<const HttpRequest*>(argument)->stop.stop_requested() ? 1 : 0;
  }

  bool can(short events, milliseconds within) const {
    pollfd one{socket_, events, 0};
    return ::poll(&one, 1, static_cast<int>(within.count())) > 0;
  }

  // The time that is left; an error when there is none, or nobody wants the answer any more.
  Result<milliseconds> time_left() const {
    if (request_->stop.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - std::chrono::steady_clock::now());
    if (left.count() <= 0) return error_of(CURLE_OPERATION_TIMEDOUT, "", *request_);
    return left;
  }

  Result<> wait(short events) const {
    while (true) {
      const milliseconds left = TRY(time_left());
      if (can(events, std::min(left, look_every))) return {};
    }
  }

  CURLcode receive(std::size_t& count) {
    const auto room = buffer_.prepare(read_bytes);
    const CURLcode code = curl_easy_recv(curl_, room.data(), room.size(), &count);
    if (code == CURLE_OK) buffer_.commit(count);
    answered_ = answered_ || (code == CURLE_OK && count > 0);
    return code;
  }

  // False: the server answers already, or has closed, and does not want the rest.
  Result<bool> put(ByteView bytes) {
    while (!bytes.empty()) {
      TRY(time_left());
      std::size_t count = 0;
      const CURLcode code = curl_easy_send(curl_, bytes.data(), bytes.size(), &count);
      if (code == CURLE_OK) {
        bytes = bytes.subspan(count);
        continue;
      }
      if (code != CURLE_AGAIN) return false;  // read_answer() finds out whether it said why
      TRY(wait(POLLIN | POLLOUT));
      if (!can(POLLIN, milliseconds(0))) continue;
      const CURLcode received = receive(count);
      const bool goes_on = received == CURLE_AGAIN || (received == CURLE_OK && count > 0 && drop_interim());
      if (!goes_on) return false;
    }
    return true;
  }

  // Whether nothing has come but interim answers (1xx), the last one perhaps in part: they end no body.
  bool drop_interim() {
    while (buffer_.size() > 0) {
      const std::string_view text(static_cast<const char*>(buffer_.data().data()), buffer_.size());
      constexpr std::size_t class_at = std::string_view("HTTP/1.1 ").size();
      if (text.size() > class_at && text[class_at] != '1') return false;
      const auto end = text.find("\r\n\r\n");
      if (end == std::string_view::npos) return text.size() < most_head_bytes;
      buffer_.consume(end + 4);
    }
    return true;
  }

  Result<HttpResponse> read_answer() {
    while (true) {
      Parser parser;
      parser.body_limit(request_->max_response_bytes);
      parser.header_limit(most_head_bytes);
      TRY(read(parser));
      reusable_ = parser.keep_alive() && buffer_.size() == 0;
      if (parser.get().result_int() >= 200) return response_of(parser.release());  // else "continue" or so
    }
  }

  Result<> read(Parser& parser) {
    while (!parser.is_done()) {
      beast::error_code failure;
      const std::size_t parsed = buffer_.size() > 0 ? parser.put(buffer_.data(), failure) : 0;
      buffer_.consume(parsed);
      if (failure == http::error::body_limit) return too_big(*request_);
      if (failure && failure != http::error::need_more) {
        return error(ErrorCode::unavailable, "{} did not answer with HTTP: {}", request_->url,
                     failure.message());
      }
      if (parser.is_done() || parsed > 0) continue;
      if (TRY(receive_more())) continue;
      if (!parser.got_some()) return error_of(CURLE_SEND_FAIL_REWIND, "", *request_);
      parser.put_eof(failure);
      if (failure) return error_of(CURLE_PARTIAL_FILE, "", *request_);
    }
    return {};
  }

  // False: the connection is closed.
  Result<bool> receive_more() {
    while (true) {
      std::size_t count = 0;
      const CURLcode code = receive(count);
      if (code == CURLE_OK) return count > 0;
      if (code != CURLE_AGAIN) return error_of(answered_ ? code : CURLE_SEND_FAIL_REWIND, "", *request_);
      TRY(wait(POLLIN));
    }
  }

  CURL* const curl_ = curl_easy_init();
  curl_socket_t socket_ = CURL_SOCKET_BAD;
  beast::flat_buffer buffer_;
  const HttpRequest* request_ = nullptr;  // of the exchange
  SteadyTime deadline_;
  SteadyTime last_used_;
  bool answered_ = false;
  bool reusable_ = false;
};

LentBodySender::LentBodySender(const TlsTrust& trust) : trust_(trust) {}
LentBodySender::~LentBodySender() = default;

std::unique_ptr<LentBodySender::Connection> LentBodySender::take(const std::string& origin) {
  while (true) {
    std::unique_ptr<Connection> connection;
    {
      const std::lock_guard lock(mutex_);
      auto& idle = idle_[origin];
      const auto oldest = std::chrono::steady_clock::now() - longest_idle;
      std::erase_if(idle, [&](const auto& one) { return one->last_used() < oldest; });
      if (idle.empty()) return nullptr;
      connection = std::move(idle.back());
      idle.pop_back();
    }
    if (connection->usable()) return connection;
  }
}

void LentBodySender::give_back(const std::string& origin, std::unique_ptr<Connection> connection) {
  if (!connection->reusable()) return;
  const std::lock_guard lock(mutex_);
  idle_[origin].push_back(std::move(connection));
}

// After one of them failed: what ended it has ended them.
void LentBodySender::forget(const std::string& origin) {
  const std::lock_guard lock(mutex_);
  idle_.erase(origin);
}

Result<HttpResponse> LentBodySender::send(const HttpRequest& request) {
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  const auto url = parse_url(request.url);
  if (!url.ok()) return error_of(CURLE_URL_MALFORMAT, "", request);
  const std::string origin = url->origin();
  if (auto kept = take(origin)) {
    auto answer = kept->exchange(request, *url, deadline);
    if (answer.ok()) {
      give_back(origin, std::move(kept));
      return answer;
    }
    forget(origin);
    const bool closed = answer.error().transient() && !kept->answered();
    const bool in_time = std::chrono::steady_clock::now() < deadline;
    if (!closed || !in_time || request.method != "PUT") return answer;
  }
  auto fresh = std::make_unique<Connection>();
  TRY(fresh->connect(request, trust_, deadline));
  auto answer = fresh->exchange(request, *url, deadline);
  if (answer.ok()) give_back(origin, std::move(fresh));
  return answer;
}

}  // namespace rekindle
