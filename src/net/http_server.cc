#include "net/http_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "net/url.h"

namespace rekindle {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;
using Parser = http::request_parser<http::vector_body<std::byte>>;
using WireRequest = Parser::value_type;
using WireResponse = http::response<http::span_body<const std::byte>>;

HttpRequest from_wire(WireRequest wire, const std::string& remote) {
  HttpRequest request;
  request.method = std::string(wire.method_string());
  const std::string_view target(wire.target().data(), wire.target().size());
  const auto question = target.find('?');
  request.raw_path = std::string(target.substr(0, question));
  request.path = percent_decode(request.raw_path);
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  request.url = std::string(target);
  request.remote_address = remote;
  for (const auto& field : wire) {
    request.headers.add(std::string(field.name_string()), std::string(field.value()));
  }
  request.body = std::move(wire.body());
  return request;
}

// Reads requests and writes answers until the peer is done, on one stream (plain or TLS).
template <typename Stream>
class Conversation {
 public:
  Conversation(Stream& stream, const HttpServer::Handler& handler, std::size_t max_body, std::string remote)
      : stream_(stream), handler_(handler), max_body_(max_body), remote_(std::move(remote)) {
    // What a read asks the socket for is the buffer's free room: without this, half a KiB at a time.
    buffer_.reserve(read_bytes);
  }

  void hold() {
    while (one_exchange()) {
    }
  }

 private:
  bool one_exchange() {
    beast::error_code failure;
    Parser parser;
    parser.body_limit(max_body_);
    http::read_header(stream_, buffer_, parser, failure);
    if (failure == http::error::body_limit) return refuse_body(parser.get().version());
    if (failure) return false;
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, 11);
      http::write(stream_, go_on, failure);
    }
    read_body(parser, failure);
    if (failure == http::error::body_limit) return refuse_body(parser.get().version());
    if (failure) return false;
    const bool keep_alive = parser.get().keep_alive();
    const bool head = parser.get().method() == http::verb::head;
    const unsigned version = parser.get().version();
    const HttpResponse answer = handler_(from_wire(parser.release(), remote_));
    if (answer.status == 0) return false;
    return write(answer, version, keep_alive, head) && keep_alive;
  }

  // Where the length is known, and the header was read within its limit, the body goes where it stays at
  // once.
  void read_body(Parser& parser, beast::error_code& failure) {
    const auto length = parser.content_length();
    if (!length) {
      http::read(stream_, buffer_, parser, failure);
      return;
    }
    // What was announced is not yet sent: room is made for what comes.
    Bytes& body = parser.get().body();
    body.reserve(static_cast<std::size_t>(*length));
    while (body.size() < *length && !failure) {
      const std::size_t size = body.size();
      body.resize(std::min<std::size_t>(*length, size + read_bytes));
      const std::size_t there = asio::buffer_copy(asio::buffer(body) + size, buffer_.data());
      buffer_.consume(there);
      asio::read(stream_, asio::buffer(body) + size + there, failure);
    }
  }

  bool refuse_body(unsigned version) {
    write(HttpResponse::text(413, "text/plain", "the request is too large\n"), version, false, false);
    return false;
  }

  bool write(const HttpResponse& answer, unsigned version, bool keep_alive, bool head) {
    WireResponse wire(static_cast<http::status>(answer.status), version);
    for (const auto& [name, value] : answer.headers) wire.insert(name, value);
    wire.keep_alive(keep_alive);
    if (!answer.headers.has("Content-Length")) wire.content_length(answer.body.size());
    wire.body() = beast::span<const std::byte>(answer.body.data(), answer.body.size());
    beast::error_code failure;
    http::response_serializer<http::span_body<const std::byte>> serializer(wire);
    if (head) {
      http::write_header(stream_, serializer, failure);
    } else {
      http::write(stream_, serializer, failure);
    }
    return !failure;
  }

  static constexpr std::size_t read_bytes = 64UL * 1024;  // the most that one read takes

  Stream& stream_;
  const HttpServer::Handler& handler_;
  const std::size_t max_body_;
  const std::string remote_;
  beast::flat_buffer buffer_;
};

class BeastServer final : public HttpServer {
 public:
  BeastServer(HttpServerOptions options, Handler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        acceptor_(context_),
        tls_(asio::ssl::context::tls_server) {}

  ~BeastServer() override {
    beast::error_code ignored;
    stopping_ = true;
    {
      // Closing an acceptor does not wake a blocking accept: a connection does.
      tcp::socket wake(context_);
      wake.connect(endpoint_, ignored);
    }
    if (accepting_.joinable()) accepting_.join();
    std::unique_lock lock(mutex_);
    for (tcp::socket* socket : open_) socket->shutdown(tcp::socket::shutdown_both, ignored);
    all_closed_.wait(lock, [this] { return open_.empty(); });
  }

  Result<> listen() {
    beast::error_code failure;
    const auto address = asio::ip::make_address(options_.address, failure);
    if (failure)
      return error(ErrorCode::invalid_argument, "'{}' is not an address to listen on", options_.address);
    const tcp::endpoint wanted(address, options_.port);
    acceptor_.open(wanted.protocol(), failure);
    if (!failure) acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
    if (!failure) acceptor_.bind(wanted, failure);
    if (!failure) acceptor_.listen(asio::socket_base::max_listen_connections, failure);
    if (failure) {
      return error(ErrorCode::unavailable, "listening on {}:{}: {}", options_.address, options_.port,
                   failure.message());
    }
    endpoint_ = acceptor_.local_endpoint();
    if (options_.tls) {
      tls_.use_certificate_chain(asio::buffer(options_.tls->certificate_pem), failure);
      if (!failure)
        tls_.use_private_key(asio::buffer(options_.tls->key_pem), asio::ssl::context::pem, failure);
      if (failure)
        return error(ErrorCode::corrupt, "the TLS certificate or key is not usable: {}", failure.message());
    }
    accepting_ = std::jthread([this] { accept_loop(); });
    return {};
  }

  std::uint16_t port() const override { return endpoint_.port(); }

 private:
  void accept_loop() {
    while (true) {
      beast::error_code failure;
      tcp::socket socket(context_);
      acceptor_.accept(socket, failure);
      if (stopping_) return;
      if (failure) {
        log::warn("accepting a connection: {}", failure.message());
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        continue;
      }
      auto owned = std::make_unique<tcp::socket>(std::move(socket));
      {
        const std::lock_guard lock(mutex_);
        open_.push_back(owned.get());
      }
      std::thread([this, owned = std::move(owned)]() mutable {
        serve(*owned);
        close(std::move(owned));
      }).detach();
    }
  }

  void serve(tcp::socket& socket) {
    beast::error_code failure;
    socket.set_option(tcp::no_delay(true), failure);
    const auto peer = socket.remote_endpoint(failure);
    const std::string remote = failure ? "" : peer.address().to_string();
    if (options_.tls) {
      asio::ssl::stream<tcp::socket&> stream(socket, tls_);
      stream.handshake(asio::ssl::stream_base::server, failure);
      if (!failure) Conversation(stream, handler_, options_.max_body_bytes, remote).hold();
    } else {
      Conversation(socket, handler_, options_.max_body_bytes, remote).hold();
    }
    socket.shutdown(tcp::socket::shutdown_both, failure);
  }

  // The socket goes before the waiting destructor hears of it: a socket needs its context to the end.
  void close(std::unique_ptr<tcp::socket> socket) {
    const std::lock_guard lock(mutex_);
    std::erase(open_, socket.get());
    socket.reset();
    all_closed_.notify_all();
  }

  const HttpServerOptions options_;
  const Handler handler_;
  asio::io_context context_;
  tcp::acceptor acceptor_;
  asio::ssl::context tls_;
  tcp::endpoint endpoint_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable all_closed_;
  std::vector<tcp::socket*> open_;
  std::jthread accepting_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, Handler handler) {
  auto server = std::make_unique<BeastServer>(std::move(options), std::move(handler));
  TRY(server->listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace rekindle
