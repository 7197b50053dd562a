#include "aws/credentials.h"

namespace rekindle {

Result<> Credentials::check() const {
  if (source_ || (!fixed_.access_key_id.empty() && !fixed_.secret_access_key.empty())) return {};
  return error(ErrorCode::invalid_argument,
               "the AWS account has no access key or no secret; set them with `rekindle account add`");
}

Result<AwsCredentials> Credentials::get() const {
  TRY(check());
  return source_ ? source_->get() : Result<AwsCredentials>(fixed_);
}

bool Credentials::expired(const AwsCredentials& refused) const {
  if (source_) source_->expired(refused);
  return static_cast<bool>(source_);
}

}  // namespace rekindle
