// Credentials that end, asked for anew before they do.
#pragma once

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

// Asks `issue` when there are none yet, or those there are work for less than five minutes. While they still
// work, a failed renewal is a warning in the log, and is tried again half a minute later.
class RenewedCredentials final : public CredentialSource {
 public:
  using Issue = std::function<Result<IssuedCredentials>()>;
  // `name` for the log: "role arn:aws:iam::1:role/r". The clock outlives this.
  RenewedCredentials(std::string name, Issue issue, Clock& clock)
      : name_(std::move(name)), issue_(std::move(issue)), clock_(clock) {}

  Result<AwsCredentials> get() override;
  void expired(const AwsCredentials& refused) override;

 private:
  const std::string name_;
  const Issue issue_;
  Clock& clock_;
  std::mutex mutex_;  // held while asking: who comes meanwhile waits for the same answer
  std::optional<IssuedCredentials> issued_;
  Time ask_again_;
};

}  // namespace rekindle
