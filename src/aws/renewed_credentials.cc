#include "aws/renewed_credentials.h"

#include "base/log.h"

namespace rekindle {

namespace {
constexpr auto renewed_before = std::chrono::minutes(5);
constexpr auto pause_after_failure = std::chrono::seconds(30);
}  // namespace

Result<AwsCredentials> RenewedCredentials::get() {
  const std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  if (issued_ && now < ask_again_) return issued_->credentials;
  Result<IssuedCredentials> next = issue_();
  if (next.ok()) {
    ask_again_ = std::max(next->expires - renewed_before, now + pause_after_failure);
    issued_ = *std::move(next);
    return issued_->credentials;
  }
  if (!issued_ || now >= issued_->expires) return next.error();
  log::warn("renewing the credentials of {}: {}; those there are work until {}", name_,
            next.error().message(), to_iso8601(issued_->expires));
  ask_again_ = now + pause_after_failure;
  return issued_->credentials;
}

void RenewedCredentials::expired(const AwsCredentials& refused) {
  const std::lock_guard lock(mutex_);
  if (issued_ && issued_->credentials.access_key_id == refused.access_key_id) issued_.reset();
}

}  // namespace rekindle
