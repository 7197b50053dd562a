#include "aws/service_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include "aws/canned_transport.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::string_view throttled =
    "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit "
    "exceeded.</Message></Error>"
    "</Errors><RequestID>r</RequestID></Response>";
constexpr std::string_view not_found =
    "<Response><Errors><Error><Code>InvalidSnapshot.NotFound</Code><Message>no</Message></Error></Errors></"
    "Response>";
constexpr std::string_view not_allowed =
    "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>";
constexpr std::string_view auth_failure =
    "<Response><Errors><Error><Code>AuthFailure</Code><Message>not able to "
    "validate</Message></Error></Errors>"
    "</Response>";

class ServiceClientTest : public testing::Test {
 protected:
  ServiceCall call() {
    ServiceCall call;
    call.action = "DescribeSnapshots";
    return call;
  }
  milliseconds slept() { return clock.now() - start; }

  const Time start = *from_iso8601("2026-11-22T12:00:00Z");
  CannedTransport transport;
  ManualClock clock{start};
  SeededRandom random{1};
  ServiceOptions options{"ec2", "eu-central-1", "", {"AKIDEXAMPLE", "secret", ""}, {4}};
  std::unique_ptr<ServiceClient> client = *ServiceClient::make(options, transport, clock, random);
};

TEST_F(ServiceClientTest, TalksToTheRealServiceOfTheRegionWithoutAnEndpoint) {
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(call()).ok());
  EXPECT_EQ(transport.requests()[0].url, "https://ec2.eu-central-1.amazonaws.com/");
  EXPECT_THAT(std::string(transport.requests()[0].headers.get("Authorization")),
              HasSubstr("Credential=AKIDEXAMPLE/20261122/eu-central-1/ec2/aws4_request"));
}

TEST_F(ServiceClientTest, RefusesAnEndpointThatIsNoUrl) {
  options.endpoint = "localhost";
  EXPECT_EQ(ServiceClient::make(options, transport, clock, random).error().code(),
            ErrorCode::invalid_argument);
}

TEST_F(ServiceClientTest, SendsAgainAfterThrottlingAndLostConnections) {
  transport.answer(503, throttled);
  transport.lose_connection();
  transport.answer(500, "");
  transport.answer(200, "fine");
  const auto response = client->call(call());
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->body_text(), "fine");
  EXPECT_EQ(transport.requests().size(), 4U);
}

TEST_F(ServiceClientTest, GivesUpAsUnavailableAfterAllAttempts) {
  for (int i = 0; i < 5; ++i) transport.answer(503, throttled);
  const auto response = client->call(call());
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(response.error().message(), HasSubstr("RequestLimitExceeded"));
  EXPECT_EQ(transport.requests().size(), 4U);
}

TEST_F(ServiceClientTest, DoesNotRepeatWhatMayHaveBeenDone) {
  ServiceCall once = call();
  once.repeatable = false;
  transport.lose_connection();
  transport.answer(200, "fine");
  EXPECT_EQ(client->call(once).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(ServiceClientTest, RepeatsWhatWasThrottledBecauseItWasNotDone) {
  ServiceCall once = call();
  once.repeatable = false;
  transport.answer(503, throttled);
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(once).ok());
}

TEST_F(ServiceClientTest, TakesNotFoundAtItsWordUnlessItMaySettle) {
  transport.answer(400, not_found);
  EXPECT_EQ(client->call(call()).error().code(), ErrorCode::not_found);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(ServiceClientTest, AsksAgainForWhatWasJustMadeUntilTheTimeIsUp) {
  ServiceCall fresh = call();
  fresh.settle_for = std::chrono::seconds(60);
  for (int i = 0; i < 20; ++i) transport.answer(400, not_found);
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(fresh).ok());
  EXPECT_GT(slept(), std::chrono::seconds(2));

  fresh.settle_for = std::chrono::seconds(10);
  for (int i = 0; i < 200; ++i) transport.answer(400, not_found);
  EXPECT_EQ(client->call(fresh).error().code(), ErrorCode::not_found);
  EXPECT_GT(transport.unused(), 0U);
}

TEST_F(ServiceClientTest, TakesARefusalAtItsWordUnlessItMaySettle) {
  transport.answer(403, not_allowed);
  EXPECT_EQ(client->call(call()).error().code(), ErrorCode::permission_denied);
  EXPECT_EQ(transport.requests().size(), 1U);
}

// What was made a moment ago does not show the tag yet that a policy asks for.
TEST_F(ServiceClientTest, AsksAgainForTenSecondsWhatWasRefusedOfSomethingJustMade) {
  ServiceCall fresh = call();
  fresh.settle_for = std::chrono::seconds(120);
  for (int i = 0; i < 3; ++i) transport.answer(403, not_allowed);
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(fresh).ok());
  EXPECT_EQ(transport.unused(), 0U);

  const Time before = clock.now();
  for (int i = 0; i < 200; ++i) transport.answer(403, not_allowed);
  EXPECT_EQ(client->call(fresh).error().code(), ErrorCode::permission_denied);
  EXPECT_GE(clock.now() - before, std::chrono::seconds(10));
  EXPECT_LT(clock.now() - before, std::chrono::seconds(20));
}

TEST_F(ServiceClientTest, TakesNotFoundAfterALostRemovalForItsEffectSoon) {
  ServiceCall removal = call();
  removal.removes = true;
  removal.settle_for = std::chrono::seconds(120);
  transport.lose_connection();
  for (int i = 0; i < 200; ++i) transport.answer(400, not_found);
  EXPECT_EQ(client->call(removal).error().code(), ErrorCode::not_found);
  EXPECT_LT(slept(), std::chrono::seconds(20));
}

TEST_F(ServiceClientTest, AsksLongForTheRemovalOfWhatWasJustMade) {
  ServiceCall removal = call();
  removal.removes = true;
  removal.settle_for = std::chrono::seconds(120);
  transport.answer(503, throttled);
  for (int i = 0; i < 200; ++i) transport.answer(400, not_found);
  EXPECT_EQ(client->call(removal).error().code(), ErrorCode::not_found);
  EXPECT_GT(slept(), std::chrono::seconds(100));
}

TEST_F(ServiceClientTest, SignsWithTheServersTimeWhenOursIsWrong) {
  transport.answer(401, auth_failure, {{"Date", "Sun, 22 Nov 2026 14:30:00 GMT"}});
  transport.answer(200, "fine");
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(call()).ok());
  EXPECT_EQ(transport.requests()[1].headers.get("X-Amz-Date"), "20261122T143000Z");
  EXPECT_TRUE(client->call(call()).ok());
  EXPECT_EQ(transport.requests()[2].headers.get("X-Amz-Date"), "20261122T143000Z") << "and remembers it";
}

TEST_F(ServiceClientTest, BlamesTheKeyWhenTheClockIsRight) {
  transport.answer(401, auth_failure, {{"Date", "Sun, 22 Nov 2026 12:00:02 GMT"}});
  const auto response = client->call(call());
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(response.error().message(), HasSubstr("AKIDEXAMPLE"));
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(ServiceClientTest, CorrectsTheClockOnlyOncePerCall) {
  for (int i = 0; i < 3; ++i)
    transport.answer(401, auth_failure, {{"Date", "Sun, 22 Nov 2026 14:30:00 GMT"}});
  EXPECT_EQ(client->call(call()).error().code(), ErrorCode::unauthenticated);
  EXPECT_EQ(transport.requests().size(), 2U);
}

TEST_F(ServiceClientTest, StopsRetryingABrokenServiceWhenTheBudgetIsSpent) {
  for (int i = 0; i < 4000; ++i) transport.answer(500, "");
  for (int i = 0; i < 800; ++i) EXPECT_FALSE(client->call(call()).ok());
  EXPECT_EQ(transport.requests().size(), 1600U) << "800 first attempts, and 4000 / 5 retries";
}

// Loses what each thread sends first.
class BreakingTransport final : public HttpTransport {
 public:
  Result<HttpResponse> send(const HttpRequest&) override {
    const std::lock_guard lock(mutex_);
    if (seen_.insert(std::this_thread::get_id()).second) return error(ErrorCode::unavailable, "reset");
    return HttpResponse();
  }

 private:
  std::mutex mutex_;
  std::set<std::thread::id> seen_;
};

TEST_F(ServiceClientTest, ManyThatBreakAtOnceAreAllSentAgain) {
  constexpr int at_once = 4 * 128;  // four disks, written directly
  BreakingTransport breaking;
  client = *ServiceClient::make(options, breaking, clock, random);
  std::latch all_there(at_once);
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < at_once; ++i) {
      threads.emplace_back([&] {
        all_there.arrive_and_wait();
        failed += client->call(call()).ok() ? 0 : 1;
      });
    }
  }
  EXPECT_EQ(failed, 0);
}

TEST_F(ServiceClientTest, EachAttemptTakesItsTurn) {
  CallQuota quota({10, 1}, clock);
  ServiceCall counted = call();
  counted.quota = &quota;
  for (int i = 0; i < 3; ++i) transport.lose_connection();
  transport.answer(200, "fine");
  ASSERT_TRUE(client->call(counted).ok());
  EXPECT_GE(slept(), milliseconds(300)) << "four attempts at ten a second, the first at once";
  EXPECT_DOUBLE_EQ(quota.per_second(), 10);
}

TEST_F(ServiceClientTest, EveryThrottledAnswerSlowsTheRateDown) {
  CallQuota quota({10, 1}, clock);
  ServiceCall counted = call();
  counted.quota = &quota;
  transport.answer(503, throttled);
  transport.answer(200, "fine");
  ASSERT_TRUE(client->call(counted).ok());
  EXPECT_LT(quota.per_second(), 10) << "although the last attempt was not throttled";
}

TEST_F(ServiceClientTest, APatientCallWaitsOutThrottlingButNothingElse) {
  ServiceCall patient = call();
  patient.patient = true;
  for (int i = 0; i < 50; ++i) transport.answer(503, throttled);
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(patient).ok());
  for (int i = 0; i < 50; ++i) transport.answer(500, "");
  EXPECT_EQ(client->call(patient).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(transport.unused(), 46U) << "the policy allows four attempts";
}

// Takes its time for every answer, and gives up when the request allows less.
class SlowLine final : public HttpTransport {
 public:
  SlowLine(ManualClock& clock, milliseconds needs) : clock_(clock), needs_(needs) {}
  Result<HttpResponse> send(const HttpRequest& request) override {
    allowed.push_back(request.timeout);
    clock_.advance(std::min(request.timeout, needs_));
    if (request.timeout < needs_) return error(ErrorCode::unavailable, "timed out");
    return HttpResponse::text(200, "text/plain", "fine");
  }
  std::vector<milliseconds> allowed;

 private:
  ManualClock& clock_;
  const milliseconds needs_;
};

TEST_F(ServiceClientTest, LearnsHowLongAnAttemptTakesOnASlowLine) {
  AttemptTime attempt_time(std::chrono::seconds(60), std::chrono::minutes(10));
  SlowLine line(clock, std::chrono::seconds(205));  // 512 puts of 512 KiB at a time through 10 Mbit/s
  client = *ServiceClient::make(options, line, clock, random);
  ServiceCall put = call();
  put.attempt_time = &attempt_time;
  EXPECT_TRUE(client->call(put).ok());
  EXPECT_TRUE(client->call(put).ok()) << "at the first attempt";
  EXPECT_EQ(line.allowed, (std::vector<milliseconds>{std::chrono::seconds(60), std::chrono::seconds(240),
                                                     std::chrono::minutes(10)}));
}

TEST_F(ServiceClientTest, TakesALostConnectionForNoSlowLine) {
  AttemptTime attempt_time(std::chrono::seconds(60), std::chrono::minutes(10));
  ServiceCall put = call();
  put.attempt_time = &attempt_time;
  transport.lose_connection();
  transport.answer(200, "fine");
  EXPECT_TRUE(client->call(put).ok());
  EXPECT_EQ(transport.requests()[1].timeout, std::chrono::seconds(60));
}

TEST_F(ServiceClientTest, APatientCallEndsWhenItIsStopped) {
  std::stop_source stop;
  ServiceCall patient = call();
  patient.patient = true;
  patient.request.stop = stop.get_token();
  stop.request_stop();
  for (int i = 0; i < 50; ++i) transport.answer(503, throttled);
  EXPECT_EQ(client->call(patient).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(transport.unused(), 49U);
}

TEST_F(ServiceClientTest, KnowsOfAMakingCallWhetherAnAttemptWasLost) {
  const auto refused_after = [&](bool makes, auto&& first) {
    ServiceCall making = call();
    making.makes = makes;
    first();
    transport.answer(
        403, "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>");
    return client->call(making).error().code();
  };
  const auto lost = [&] { transport.lose_connection(); };
  const auto broken = [&] { transport.answer(500, ""); };
  const auto too_fast = [&] { transport.answer(503, throttled); };
  EXPECT_EQ(refused_after(true, lost), ErrorCode::internal);
  EXPECT_EQ(refused_after(true, broken), ErrorCode::internal);
  EXPECT_EQ(refused_after(true, too_fast), ErrorCode::permission_denied) << "nothing was done";
  EXPECT_EQ(refused_after(false, lost), ErrorCode::permission_denied);
}

TEST_F(ServiceClientTest, StopsBetweenAttempts) {
  std::stop_source stop;
  stop.request_stop();
  ServiceCall stopped = call();
  stopped.request.stop = stop.get_token();
  transport.answer(503, throttled);
  EXPECT_EQ(client->call(stopped).error().code(), ErrorCode::cancelled);
}

TEST(HttpDate, ReadsTheFixedFormat) {
  const auto time = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(to_iso8601(*time), "1994-11-06T08:49:37.000Z");
  EXPECT_FALSE(parse_http_date("yesterday").has_value());
  EXPECT_FALSE(parse_http_date("Sun, 06 Foo 1994 08:49:37 GMT").has_value());
}

// A source whose keys are ASIA1, ASIA2, ...
class CountingSource final : public CredentialSource {
 public:
  Result<AwsCredentials> get() override {
    return AwsCredentials{"ASIA" + std::to_string(number), "secret", "token"};
  }
  void expired(const std::string& access_key_id) override {
    if (access_key_id == "ASIA" + std::to_string(number)) ++number;
  }
  int number = 1;
};

constexpr std::string_view expired =
    "<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has "
    "expired.</Message></Error></Errors></Response>";

TEST_F(ServiceClientTest, CallsAgainWithNewCredentialsWhenThoseHaveEnded) {
  options.credentials = Credentials(std::make_shared<CountingSource>());
  client = *ServiceClient::make(options, transport, clock, random);
  transport.answer(400, expired);
  transport.answer(200, "fine");
  ServiceCall once = call();
  once.repeatable = false;  // it was refused: nothing was done
  ASSERT_TRUE(client->call(once).ok());
  EXPECT_THAT(std::string(transport.requests()[1].headers.get("Authorization")),
              HasSubstr("Credential=ASIA2/"));
  transport.answer(400, expired);
  transport.answer(400, expired);
  const auto refused = client->call(once);
  ASSERT_FALSE(refused.ok()) << "once, not for ever";
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(refused.error().message(), HasSubstr("ASIA3"));
}

TEST_F(ServiceClientTest, AKeyThatStaysTheSameIsNotTriedAgain) {
  transport.answer(400, expired);
  EXPECT_EQ(client->call(call()).error().code(), ErrorCode::unauthenticated);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(ServiceClientTest, TakesAHeadWithoutABodyForAnEndedSession) {
  options.credentials = Credentials(std::make_shared<CountingSource>());
  client = *ServiceClient::make(options, transport, clock, random);
  transport.answer(400, "");
  transport.answer(200, "");
  ServiceCall head = call();
  head.request.method = "HEAD";
  EXPECT_TRUE(client->call(head).ok());
}

// Says of its credentials what could be taken for a word about the thing that is asked for.
class MissingSource final : public CredentialSource {
 public:
  Result<AwsCredentials> get() override { return error(ErrorCode::not_found, "there is no file"); }
  void expired(const std::string& /*access_key_id*/) override {}
};

// Its role may not be assumed any more after the first attempt.
class EndingSource final : public CredentialSource {
 public:
  Result<AwsCredentials> get() override {
    if (given++ == 0) return AwsCredentials{"ASIA1", "secret", "token"};
    return error(ErrorCode::permission_denied, "the role may not be assumed");
  }
  void expired(const std::string& /*access_key_id*/) override {}
  int given = 0;
};

TEST_F(ServiceClientTest, ASessionThatEndsAfterALostAttemptIsNoRefusal) {
  options.credentials = Credentials(std::make_shared<EndingSource>());
  client = *ServiceClient::make(options, transport, clock, random);
  transport.lose_connection();
  ServiceCall making = call();
  making.makes = true;
  const auto ended = client->call(making);
  EXPECT_EQ(ended.error().code(), ErrorCode::internal);
  EXPECT_THAT(ended.error().message(), HasSubstr("the role may not be assumed"));
}

TEST_F(ServiceClientTest, WithoutCredentialsNothingIsTakenForGone) {
  options.credentials = Credentials(std::make_shared<MissingSource>());
  client = *ServiceClient::make(options, transport, clock, random);
  const auto refused = client->call(call());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(refused.error().message(), HasSubstr("there is no file"));
  EXPECT_TRUE(transport.requests().empty());
}

}  // namespace
}  // namespace rekindle
