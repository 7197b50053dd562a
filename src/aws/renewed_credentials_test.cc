#include "aws/renewed_credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace rekindle {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class RenewedCredentialsTest : public testing::Test {
 protected:
  Result<IssuedCredentials> issue() {
    ++asked;
    if (failing) return error(ErrorCode::unavailable, "no answer");
    return IssuedCredentials{{"ASIA" + std::to_string(asked), "secret", "token"}, clock.now() + life};
  }
  std::string key() {
    const auto got = credentials.get();
    return got.ok() ? got->access_key_id : got.error().message();
  }

  ManualClock clock{*from_iso8601("2026-11-26T10:00:00Z")};
  int asked = 0;
  bool failing = false;
  std::chrono::milliseconds life = minutes(60);
  RenewedCredentials credentials{"a role", [this] { return issue(); }, clock};
};

TEST_F(RenewedCredentialsTest, AsksAgainFiveMinutesBeforeTheEnd) {
  EXPECT_EQ(key(), "ASIA1");
  clock.advance(minutes(54));
  EXPECT_EQ(key(), "ASIA1");
  clock.advance(minutes(1));
  EXPECT_EQ(key(), "ASIA2");
  EXPECT_EQ(key(), "ASIA2");
}

TEST_F(RenewedCredentialsTest, GoesOnWithTheOldOnesWhileTheyWork) {
  EXPECT_EQ(key(), "ASIA1");
  failing = true;
  clock.advance(minutes(56));
  EXPECT_EQ(key(), "ASIA1");
  EXPECT_EQ(key(), "ASIA1");
  EXPECT_EQ(asked, 2) << "not at every call";
  clock.advance(minutes(5));
  EXPECT_EQ(key(), "no answer");
  failing = false;
  EXPECT_EQ(key(), "ASIA4");
}

TEST_F(RenewedCredentialsTest, AsksAtOnceWhenAwsCallsThemExpired) {
  const AwsCredentials first = credentials.get().value();
  credentials.expired(first.access_key_id);
  EXPECT_EQ(key(), "ASIA2");
  credentials.expired(first.access_key_id);  // a late answer to a call that was made with the first
  EXPECT_EQ(key(), "ASIA2");
}

TEST_F(RenewedCredentialsTest, DoesNotAskForEveryCallWhenTheyLiveShortly) {
  life = minutes(2);
  EXPECT_EQ(key(), "ASIA1");
  clock.advance(seconds(29));
  EXPECT_EQ(key(), "ASIA1");
  clock.advance(seconds(1));
  EXPECT_EQ(key(), "ASIA2");
}

// What the threads of a replication do when the answer of STS takes its time.
TEST(RenewedCredentials, OneThreadAsksForAll) {
  SystemClock clock;
  std::atomic<int> asked = 0;
  std::atomic<bool> fails = true;
  const auto issue = [&]() -> Result<IssuedCredentials> {
    ++asked;
    clock.sleep(std::chrono::milliseconds(300));
    if (fails) return error(ErrorCode::unauthenticated, "no");
    return IssuedCredentials{{"ASIA", "s", "t"}, clock.now() + minutes(60)};
  };
  RenewedCredentials shared("a role", issue, clock);
  std::atomic<int> failed = 0;
  const auto all_get = [&] {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        if (!shared.get().ok()) ++failed;
      });
    }
  };
  all_get();
  EXPECT_EQ(failed, 8);
  const int asked_in_vain = asked;
  EXPECT_LT(asked_in_vain, 8) << "those who wait take the same answer";
  fails = false;
  failed = 0;
  all_get();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(asked, asked_in_vain + 1);
}

}  // namespace
}  // namespace rekindle
