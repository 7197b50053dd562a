#include "net/tcp_probe.h"

#include <gtest/gtest.h>

#include "net/http_server.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;

TEST(TcpProbe, IsContentWithWhoeverAccepts) {
  HttpServerOptions options;
  const auto server = HttpServer::start(
      options, [](const HttpRequest&) { return HttpResponse::text(200, "text/plain", ""); });
  ASSERT_TRUE(server.ok()) << server.error().message();
  const std::uint16_t port = (*server)->port();
  EXPECT_TRUE(probe_tcp("127.0.0.1", port, milliseconds(2000)).ok());
}

TEST(TcpProbe, SaysWhyNobodyDoes) {
  const Result<> refused = probe_tcp("127.0.0.1", 1, milliseconds(2000));
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().message().find("refused"), std::string::npos) << refused.error().message();
  EXPECT_EQ(probe_tcp("no-such-host.invalid", 80, milliseconds(2000)).error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace rekindle
