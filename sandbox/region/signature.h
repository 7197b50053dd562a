// AWS Signature Version 4, the verifying side, header form
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html).
#pragma once

#include <string>

#include "base/clock.h"
#include "net/http.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

struct Credentials {
  std::string access_key;
  std::string secret_key;
};

// The service ("ec2", "ebs", "sts", "s3") that the request's credential scope names, or "" if it is unsigned
// or not readable. Not verified: only to choose the form of an error.
std::string claimed_service(const HttpRequest& request);
std::string claimed_access_key(const HttpRequest& request);

// Checks the signature over the bytes as they came. Refusals carry the codes that the claimed service uses:
//   EC2  AuthFailure (401), RequestExpired; EBS UnrecognizedClientException, InvalidSignatureException (403);
//   KMS and Service Quotas as EBS (400); STS and IAM InvalidClientTokenId, SignatureDoesNotMatch (403).
// The request's time may differ from `now` by five minutes. Beside the key of `credentials` (with which any
// session token is accepted, if it is signed) those that `roles` gave out are good until they end:
// RequestExpired (400), ExpiredTokenException, ExpiredToken (403).
Outcome<> verify_signature(const HttpRequest& request, const Credentials& credentials, const Roles& roles,
                           const std::string& region, Time now);

}  // namespace rekindle::sandbox
