#include "aws/renewed_credentials.h"

#include <gtest/gtest.h>

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
  credentials.expired(first);
  EXPECT_EQ(key(), "ASIA2");
  credentials.expired(first);  // a late answer to a call that was made with the first
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

}  // namespace
}  // namespace rekindle
