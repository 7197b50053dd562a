#include "aws/credentials.h"

namespace rekindle {

Result<> Credentials::check() const {
  if (source_ || (!fixed_.access_key_id.empty() && !fixed_.secret_access_key.empty())) return {};
  return error(ErrorCode::invalid_argument,
               "there is no access key, or no secret for it: give both to `rekindle account add`, or to "
               "`rekindle vault create` if it is the vault's own");
}

Result<AwsCredentials> Credentials::get() const {
  TRY(check());
  return source_ ? source_->get() : Result<AwsCredentials>(fixed_);
}

bool Credentials::expired(const std::string& access_key_id) const {
  if (source_) source_->expired(access_key_id);
  return static_cast<bool>(source_);
}

}  // namespace rekindle
