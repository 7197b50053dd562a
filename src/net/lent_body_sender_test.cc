#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio.hpp>
#include <semaphore>
#include <thread>

#include "base/file.h"
#include "net/curl_transport.h"
#include "net/http_server.h"

namespace rekindle {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

HttpRequest put_to(std::uint16_t port, ByteView body, const std::string& scheme = "http") {
  HttpRequest request;
  request.url = fmt::format("{}://127.0.0.1:{}/a%20b?c=d", scheme, port);
  request.method = "PUT";
  request.headers.add("x-empty", "");
  request.borrowed_body = body;
  return request;
}

Bytes long_body(std::size_t size = 5 * mib) {
  Bytes body(size);
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::byte>(i % 251);
  return body;
}

HttpResponse echo(const HttpRequest& request) {
  return HttpResponse::text(200, "text/plain",
                            request.method + " " + request.path + " " + request.query + " " +
                                std::string(request.headers.get("Host")) + " " +
                                std::string(request.headers.has("x-empty") ? "empty " : "") +
                                std::string(request.body_text()));
}

// Takes one connection, reads the head of a request and says what it is told to. Then it closes its end; or
// holds the connection open as long as it lives, without reading more; or reads the body and answers "good".
class PlainServer {
 public:
  enum class Then { hold, close, read_body };
  explicit PlainServer(std::string answer, Then then = Then::hold, std::size_t body_bytes = 0)
      : answer_(std::move(answer)), then_(then), body_bytes_(body_bytes) {}
  ~PlainServer() {
    let_go_.release();
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  bool was_asked() const { return asked_; }

 private:
  void serve() {
    tcp::socket socket(context_);
    acceptor_.accept(socket);
    std::string text;
    boost::system::error_code end;
    asio::read_until(socket, asio::dynamic_buffer(text), "\r\n\r\n", end);
    asked_ = true;
    asio::write(socket, asio::buffer(answer_), end);
    std::size_t read = text.size() - text.find("\r\n\r\n") - 4;
    switch (then_) {
      case Then::hold:
        break;
      case Then::close:
        socket.shutdown(tcp::socket::shutdown_send, end);
        while (!end)
          socket.read_some(asio::buffer(rest_), end);  // a close with unread bytes would be a reset
        break;
      case Then::read_body:
        while (!end && read < body_bytes_) read += socket.read_some(asio::buffer(rest_), end);
        asio::write(socket, asio::buffer(std::string(good)), end);
        break;
    }
    let_go_.acquire();
  }

  static constexpr std::string_view good = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
  const std::string answer_;
  const Then then_;
  const std::size_t body_bytes_;
  std::atomic<bool> asked_ = false;
  std::array<char, 65536> rest_{};
  std::binary_semaphore let_go_{0};
  asio::io_context context_;
  tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::thread thread_{[this] { serve(); }};
};

TEST(LentBody, ArrivesWholeWithItsHead) {
  auto server = HttpServer::start({}, echo).value();
  CurlTransport client;
  const Bytes body = long_body();
  for (const std::size_t length : {body.size(), std::size_t{1}, body.size() - 1}) {
    const ByteView lent = ByteView(body).first(length);
    const auto answer = client.send(put_to(server->port(), lent));
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_EQ(answer->headers.get("content-type"), "text/plain");
    const std::string wanted = fmt::format("PUT /a b c=d 127.0.0.1:{} empty ", server->port());
    EXPECT_TRUE(answer->body_text() == wanted + std::string(as_text(lent)))
        << answer->body_text().substr(0, 80);
  }
}

TEST(LentBody, ArrivesOverTlsAtAServerThatIsTrusted) {
  auto directory = TemporaryDirectory::make().value();
  HttpServerOptions options;
  options.tls = load_or_make_identity(directory.path()).value();
  auto server = HttpServer::start(options, echo).value();
  const Bytes body = long_body();
  CurlTransport trusting({TlsTrust::Kind::thumbprint, thumbprint(*options.tls).value()});
  for (int i = 0; i < 3; ++i) {
    const auto answer = trusting.send(put_to(server->port(), body, "https"));
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_TRUE(answer->body_text().ends_with(as_text(body)));
  }
  CurlTransport other({TlsTrust::Kind::thumbprint, std::string(64, 'a')});
  EXPECT_EQ(other.send(put_to(server->port(), body, "https")).error().code(), ErrorCode::permission_denied);
}

// Hangs up on the second request, which comes on a kept connection.
TEST(LentBody, OfAPutIsSentAgainWhereAKeptConnectionCloses) {
  for (const char* method : {"PUT", "POST"}) {
    std::atomic<int> requests = 0;
    auto server = HttpServer::start({}, [&](const HttpRequest&) {
                    HttpResponse response;
                    if (++requests == 2) response.status = 0;
                    return response;
                  }).value();
    CurlTransport client;
    const Bytes body = long_body();
    HttpRequest request = put_to(server->port(), body);
    request.method = method;
    ASSERT_TRUE(client.send(request).ok());
    const auto answer = client.send(request);
    EXPECT_EQ(answer.ok(), request.method == "PUT");
    EXPECT_EQ(requests, request.method == "PUT" ? 3 : 2);
    if (!answer.ok()) {
      EXPECT_TRUE(answer.error().transient());
      EXPECT_NE(answer.error().message().find("without an answer"), std::string::npos);
    }
  }
}

TEST(LentBody, IsNotSentAgainOnANewConnection) {
  std::atomic<int> requests = 0;
  auto server = HttpServer::start({}, [&](const HttpRequest&) {
                  ++requests;
                  return HttpResponse{0, {}, {}};
                }).value();
  CurlTransport client;
  const Bytes body = long_body();
  EXPECT_TRUE(client.send(put_to(server->port(), body)).error().transient());
  EXPECT_EQ(requests, 1);
}

TEST(LentBody, IsNotSentToItsEndToAServerThatHasAnswered) {
  PlainServer server("HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nwait");
  CurlTransport client;
  const Bytes body = long_body(64 * mib);
  const auto answer = client.send(put_to(server.port(), body));
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body_text(), "wait");
}

TEST(LentBody, IsNotTakenForDoneByAServerThatHasNotReadIt) {
  PlainServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CurlTransport client;
  const Bytes body = long_body(64 * mib);
  const auto answer = client.send(put_to(server.port(), body));
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(answer.error().transient());
}

TEST(LentBody, GoesOnAfterAnInterimAnswer) {
  const Bytes body = long_body(64 * mib);
  PlainServer server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
                     PlainServer::Then::read_body, body.size());
  CurlTransport client;
  const auto answer = client.send(put_to(server.port(), body));
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(answer->body_text(), "good");
}

TEST(LentBody, AreSentByManyThreads) {
  auto server = HttpServer::start({}, echo).value();
  CurlTransport client;
  const Bytes body = long_body(mib);
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < 16; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 10; ++i) {
          const ByteView lent = ByteView(body).subspan(thread * 1000);
          const auto answer = client.send(put_to(server->port(), lent));
          if (!answer.ok() || !answer->body_text().ends_with(as_text(lent))) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

// A POST, which is not sent a second time: the closed connection is not even tried.
TEST(LentBody, IsNotSentOnAConnectionThatTheServerHasClosed) {
  CurlTransport client;
  const Bytes body = long_body(1000);
  HttpServerOptions options;
  {
    auto server = HttpServer::start(options, echo).value();
    options.port = server->port();
    ASSERT_TRUE(client.send(put_to(options.port, body)).ok());
  }
  auto server = HttpServer::start(options, echo).value();
  HttpRequest request = put_to(options.port, body);
  request.method = "POST";
  const auto answer = client.send(request);
  EXPECT_TRUE(answer.ok()) << answer.error().message();
}

TEST(LentBody, IsAnsweredInEveryWayThatHttpKnows) {
  for (const char* text :
       {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2\r\nod\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\ngood"}) {
    PlainServer server(text, PlainServer::Then::close);
    CurlTransport client;
    const Bytes body = long_body(1000);
    const auto answer = client.send(put_to(server.port(), body));
    ASSERT_TRUE(answer.ok()) << answer.error().message() << text;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body_text(), "good") << text;
  }
}

TEST(LentBody, RefusesAnAnswerThatIsNoneOrTooLong) {
  const Bytes body = long_body(1000);
  const auto error_for = [&](const char* text) {
    PlainServer server(text, PlainServer::Then::close);
    CurlTransport client;
    HttpRequest request = put_to(server.port(), body);
    request.max_response_bytes = 3;
    const auto answer = client.send(request);
    return answer.ok() ? error(ErrorCode::not_found, "no error for {}", text) : answer.error();
  };
  EXPECT_EQ(error_for("SSH-2.0-OpenSSH\r\n\r\n").code(), ErrorCode::unavailable);
  EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ngo").code(), ErrorCode::unavailable);
  EXPECT_EQ(error_for("").code(), ErrorCode::unavailable);
  EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nContent-Length: 4000000000000000\r\n\r\ng").code(),
            ErrorCode::internal);
  EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").code(), ErrorCode::internal);
}

TEST(LentBody, IsGivenUpWhenNobodyAnswersInTime) {
  PlainServer server("");
  CurlTransport client;
  const Bytes body = long_body(64 * mib);
  HttpRequest request = put_to(server.port(), body);
  request.timeout = milliseconds(300);
  const auto answer = client.send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(answer.error().transient());
  EXPECT_NE(answer.error().message().find("did not answer in time"), std::string::npos);
}

// While it waits for an answer, and while the body is on its way.
TEST(LentBody, IsGivenUpWhenItIsStopped) {
  for (const std::size_t size : {std::size_t{1000}, std::size_t{64 * mib}}) {
    PlainServer server("");
    CurlTransport client;
    const Bytes body = long_body(size);
    HttpRequest request = put_to(server.port(), body);
    std::stop_source stop;
    request.stop = stop.get_token();
    std::jthread stopping([&] {
      while (!server.was_asked()) std::this_thread::sleep_for(milliseconds(5));
      stop.request_stop();
    });
    const auto answer = client.send(request);
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code(), ErrorCode::cancelled);
  }
}

TEST(LentBody, SaysWhatToDoWhenNobodyListens) {
  std::uint16_t port = 0;
  {
    port = HttpServer::start({}, echo).value()->port();
  }
  CurlTransport client;
  const Bytes body = long_body(1000);
  const auto answer = client.send(put_to(port, body));
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(answer.error().transient());
  EXPECT_NE(answer.error().message().find("check the address"), std::string::npos);
}

}  // namespace
}  // namespace rekindle
