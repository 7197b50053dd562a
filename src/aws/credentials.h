// What proves to AWS who is calling.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace rekindle {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty for long-term keys
};

// Who gives them out, and gives out new ones in time (credential_sources.h). Any thread.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  // An error says what to set up, or is that of the transport.
  virtual Result<AwsCredentials> get() = 0;
  // AWS does not take these any more, whatever we were told: the next get() gives others, if there are
  // others.
  virtual void expired(const std::string& access_key_id) = 0;
};

// A key that stays the same, or a source of keys. A value: copies share the source.
class Credentials {
 public:
  Credentials() = default;  // none
  Credentials(std::string access_key_id, std::string secret_access_key, std::string session_token = "")
      : fixed_{std::move(access_key_id), std::move(secret_access_key), std::move(session_token)} {}
  Credentials(AwsCredentials fixed) : fixed_(std::move(fixed)) {}  // NOLINT(google-explicit-constructor)
  explicit Credentials(std::shared_ptr<CredentialSource> source) : source_(std::move(source)) {}

  // `invalid_argument`: a fixed key that is not complete. Asks nobody.
  Result<> check() const;
  // As CredentialSource::get().
  Result<AwsCredentials> get() const;
  // True if the next get() may give others.
  bool expired(const std::string& access_key_id) const;

 private:
  AwsCredentials fixed_;
  std::shared_ptr<CredentialSource> source_;
};

}  // namespace rekindle
