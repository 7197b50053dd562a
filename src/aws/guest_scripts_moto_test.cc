// AwsGuestScripts against moto: another's reading of Run Command. It runs nothing, calls every script a
// success at once, and knows neither agents nor cancelling.
#include <gtest/gtest.h>

#include "aws/guest_scripts.h"
#include "aws/moto_server_for_tests.h"
#include "net/curl_transport.h"

namespace rekindle {
namespace {

TEST(AwsGuestScriptsMoto, AScriptIsStartedFoundByItsTokenAndOver) {
  SKIP_WITHOUT_MOTO();
  const auto moto = MotoServer::start();
  ASSERT_TRUE(moto.ok()) << moto.error().message();
  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  auto service = ServiceClient::make({"ssm", "eu-central-1", (*moto)->url(), {"AKIDEXAMPLE", "secret", ""}},
                                     transport, clock, random);
  ASSERT_TRUE(service.ok()) << service.error().message();
  AwsGuestScripts scripts(std::make_unique<JsonClient>(*std::move(service), ssm_target), clock,
                          std::chrono::milliseconds(0));
  const InstanceId instance("i-0123456789abcdef0");
  std::string last;
  for (const char* token : {"token-1", "token-2"}) {
    const auto started =
        scripts.start_script({instance, "true", {{"A", "it's"}}, std::chrono::seconds(60), token});
    ASSERT_TRUE(started.ok()) << started.error().message();
    const auto found = scripts.find_script(instance, token);
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(*found, *started);
    EXPECT_NE(*started, last);
    last = *started;
  }
  const auto none = scripts.find_script(instance, "token-3");
  ASSERT_TRUE(none.ok()) << none.error().message();
  EXPECT_EQ(*none, std::nullopt);
  const auto state = scripts.script_state(instance, last);
  ASSERT_TRUE(state.ok()) << state.error().message();
  EXPECT_TRUE(state->ended);
  EXPECT_EQ(state->exit_status, 0);
  EXPECT_EQ(state->detail, "Success");
  EXPECT_EQ(scripts.script_state(InstanceId("i-0123456789abcdef1"), last).error().code(),
            ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
