#include "net/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio.hpp>

#include "base/file.h"
#include "net/curl_transport.h"

namespace rekindle {
namespace {

HttpResponse echo(const HttpRequest& request) {
  if (request.path == "/hang up") return HttpResponse{0, {}, {}};
  HttpResponse answer =
      HttpResponse::text(200, "text/plain", request.method + " " + request.path + " " + request.query + " ");
  answer.body.insert(answer.body.end(), request.body.begin(), request.body.end());
  return answer;
}

HttpRequest request_to(const HttpServer& server, std::string scheme, std::string path) {
  HttpRequest request;
  request.url = fmt::format("{}://127.0.0.1:{}{}", scheme, server.port(), path);
  return request;
}

TEST(HttpServer, AnswersManyRequestsOnOneConnection) {
  auto server = HttpServer::start({}, echo).value();
  CurlTransport client;
  for (int i = 0; i < 3; ++i) {
    HttpRequest request = request_to(*server, "http", "/a%20b?c=d%2F");
    request.method = "PUT";
    request.body = to_bytes(as_bytes("body"));
    const auto answer = client.send(request);
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_EQ(answer->body_text(), "PUT /a b c=d%2F body");
  }
}

Bytes long_body() {
  Bytes body(1000 * 1000);
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::byte>(i % 251);
  return body;
}

// Longer than what one read takes, so that its end comes by reads of its own.
void expect_long_bodies(HttpTransport& client, HttpRequest request) {
  const Bytes body = long_body();
  for (const std::size_t length : {body.size(), std::size_t{1}, body.size() - 1}) {
    request.method = "PUT";
    request.body = to_bytes(ByteView(body).first(length));
    const auto answer = client.send(request);
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_TRUE(answer->body_text() == "PUT /x  " + std::string(as_text(request.body))) << length;
  }
}

TEST(HttpServer, TakesALongBodyWhole) {
  auto server = HttpServer::start({}, echo).value();
  CurlTransport client;
  expect_long_bodies(client, request_to(*server, "http", "/x"));
}

TEST(HttpServer, TakesALongBodyWholeOverTls) {
  auto directory = TemporaryDirectory::make().value();
  HttpServerOptions options;
  options.tls = load_or_make_identity(directory.path()).value();
  auto server = HttpServer::start(options, echo).value();
  CurlTransport client({TlsTrust::Kind::anyone, ""});
  expect_long_bodies(client, request_to(*server, "https", "/x"));
}

// What a client writes at once, before it reads an answer.
std::string answers_to(std::uint16_t port, const std::string& requests) {
  namespace asio = boost::asio;
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  asio::write(socket, asio::buffer(requests));
  std::string answers;
  boost::system::error_code end;
  asio::read(socket, asio::dynamic_buffer(answers), end);
  return answers;
}

TEST(HttpServer, TellsRequestsApartThatComeAtOnce) {
  auto server = HttpServer::start({}, echo).value();
  const std::string answers = answers_to(
      server->port(),
      "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "POST /parts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
      "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
      "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  std::size_t at = 0;
  for (const char* wanted : {"POST /long  abc", "POST /parts  def", "POST /none  ", "GET /last  "}) {
    at = answers.find(wanted, at);
    ASSERT_NE(at, std::string::npos) << wanted << " in " << answers;
  }
}

TEST(HttpServer, AnswersNothingToABodyThatEndsTooSoon) {
  std::atomic<int> handled = 0;
  auto server = HttpServer::start({}, [&](const HttpRequest&) {
                  ++handled;
                  return HttpResponse();
                }).value();
  {
    namespace asio = boost::asio;
    asio::io_context context;
    asio::ip::tcp::socket socket(context);
    socket.connect({asio::ip::make_address("127.0.0.1"), server->port()});
    asio::write(socket,
                asio::buffer(std::string("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")));
    socket.shutdown(asio::ip::tcp::socket::shutdown_send);
    std::string answer;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(answer), end);
    EXPECT_EQ(answer, "");
  }
  EXPECT_EQ(handled, 0);
}

TEST(CurlTransport, SendsABorrowedBodyInThePlaceOfItsOwn) {
  auto server = HttpServer::start({}, echo).value();
  CurlTransport client;
  const Bytes lent = long_body();
  for (const char* method : {"PUT", "POST"}) {
    HttpRequest request = request_to(*server, "http", "/x");
    request.method = method;
    request.body = to_bytes(as_bytes("own"));
    request.borrowed_body = lent;
    const auto answer = client.send(request);
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_TRUE(answer->body_text() == std::string(method) + " /x  " + std::string(as_text(lent))) << method;
  }
}

TEST(HttpServer, RefusesABodyBeyondItsLimit) {
  HttpServerOptions options;
  options.max_body_bytes = 10;
  auto server = HttpServer::start(options, echo).value();
  CurlTransport client;
  HttpRequest request = request_to(*server, "http", "/x");
  request.method = "PUT";
  request.body = Bytes(10);
  EXPECT_EQ(client.send(request).value().status, 200);
  request.body = Bytes(11);
  EXPECT_EQ(client.send(request).value().status, 413);
}

TEST(HttpServer, SpeaksTlsToAClientThatPinnedItsThumbprint) {
  auto directory = TemporaryDirectory::make().value();
  const TlsIdentity identity = load_or_make_identity(directory.path()).value();
  HttpServerOptions options;
  options.tls = identity;
  auto server = HttpServer::start(options, echo).value();
  const std::string seen = fetch_thumbprint("127.0.0.1", server->port()).value();
  EXPECT_EQ(seen, thumbprint(identity).value());

  CurlTransport trusting({TlsTrust::Kind::thumbprint, seen});
  EXPECT_TRUE(trusting.send(request_to(*server, "https", "/")).ok());

  CurlTransport other({TlsTrust::Kind::thumbprint, std::string(64, 'a')});
  const auto refused = other.send(request_to(*server, "https", "/"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::permission_denied);
  EXPECT_NE(refused.error().message().find("not the one that was registered"), std::string::npos);
}

TEST(HttpServer, ClosesWithoutAWordOnStatusZeroAndTheClientCallsItTransient) {
  auto server = HttpServer::start({}, echo).value();
  CurlTransport client;
  const auto answer = client.send(request_to(*server, "http", "/hang%20up"));
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(answer.error().transient());
}

TEST(CurlTransport, DoesNotSendAPostTwiceWhenAKeptConnectionCloses) {
  std::atomic<int> posts = 0;
  auto server = HttpServer::start({}, [&](const HttpRequest& request) {
                  HttpResponse response;
                  if (request.method == "POST" && ++posts == 1) response.status = 0;
                  return response;
                }).value();
  CurlTransport client;
  ASSERT_TRUE(client.send(request_to(*server, "http", "/")).ok()) << "leaves a connection that is kept";
  HttpRequest post = request_to(*server, "http", "/");
  post.method = "POST";
  post.body = to_bytes(as_bytes("once"));
  const auto lost = client.send(post);
  ASSERT_FALSE(lost.ok());
  EXPECT_TRUE(lost.error().transient());
  EXPECT_EQ(posts, 1);
  EXPECT_TRUE(client.send(post).ok());
}

TEST(CurlTransport, SaysWhatToDoWhenNobodyListens) {
  std::uint16_t port = 0;
  {
    port = HttpServer::start({}, echo).value()->port();
  }
  CurlTransport client;
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/", port);
  const auto answer = client.send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(answer.error().transient());
  EXPECT_NE(answer.error().message().find("check the address"), std::string::npos);
}

}  // namespace
}  // namespace rekindle
