// Credentials that end, asked for anew before they do.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "aws/credentials.h"
#include "base/clock.h"

namespace rekindle {

struct IssuedCredentials {
  AwsCredentials credentials;
  Time expires;
};

// Asks `issue` when there are none yet, or those there are work for less than five minutes; one thread at a
// time asks, while others go on with those that still work, or wait for the same answer. While they work, a
// failed renewal is a warning in the log, and is tried again half a minute later.
class RenewedCredentials final : public CredentialSource {
 public:
  using Issue = std::function<Result<IssuedCredentials>()>;
  // `name` for the log: "role arn:aws:iam::1:role/r". The clock outlives this.
  RenewedCredentials(std::string name, Issue issue, Clock& clock)
      : name_(std::move(name)), issue_(std::move(issue)), clock_(clock) {}

  Result<AwsCredentials> get() override;
  void expired(const std::string& access_key_id) override;

 private:
  Result<AwsCredentials> take(const Result<IssuedCredentials>& answer);

  const std::string name_;
  const Issue issue_;
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable answered_;
  bool asking_ = false;
  std::optional<IssuedCredentials> issued_;
  Time ask_again_;
  std::optional<Error> failure_;  // of the last answer, if there is nothing to go on with
};

}  // namespace rekindle
