#include "aws/renewed_credentials.h"

#include "base/log.h"

namespace rekindle {

namespace {
constexpr auto renewed_before = std::chrono::minutes(5);
constexpr auto pause_after_failure = std::chrono::seconds(30);
}  // namespace

Result<AwsCredentials> RenewedCredentials::get() {
  std::unique_lock lock(mutex_);
  const auto usable = [&] { return issued_ && clock_.now() < (asking_ ? issued_->expires : ask_again_); };
  if (usable()) return issued_->credentials;
  if (asking_) {
    answered_.wait(lock, [this] { return !asking_; });
    if (usable()) return issued_->credentials;
    if (failure_) return *failure_;
  }
  asking_ = true;
  lock.unlock();
  const Result<IssuedCredentials> answer = issue_();  // may take its time
  lock.lock();
  asking_ = false;
  answered_.notify_all();
  return take(answer);
}

Result<AwsCredentials> RenewedCredentials::take(const Result<IssuedCredentials>& answer) {
  const Time now = clock_.now();
  failure_.reset();
  if (answer.ok()) {
    ask_again_ = std::max(answer->expires - renewed_before, now + pause_after_failure);
    issued_ = *answer;
    return issued_->credentials;
  }
  if (!issued_ || now >= issued_->expires) {
    failure_ = answer.error();
    return answer.error();
  }
  log::warn("renewing the credentials of {}: {}; those there are work until {}", name_,
            answer.error().message(), to_iso8601(issued_->expires));
  ask_again_ = now + pause_after_failure;
  return issued_->credentials;
}

void RenewedCredentials::expired(const std::string& access_key_id) {
  const std::lock_guard lock(mutex_);
  if (issued_ && issued_->credentials.access_key_id == access_key_id) issued_.reset();
}

}  // namespace rekindle
