// AWS Signature Version 4 in the Authorization header.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/clock.h"
#include "net/http.h"

namespace rekindle {

struct SigningScope {
  std::string region;   // "eu-central-1"
  std::string service;  // "ec2", "ebs", "sts", "s3"
};

enum class Payload {
  hashed,         // the body is part of what is signed
  unsigned_body,  // PutSnapshotBlock: the body is proved by x-amz-checksum instead
};

// Signs host, content-type and every x-amz-* header of the request, its path and its query. Sets X-Amz-Date,
// X-Amz-Security-Token (with a session token), X-Amz-Content-Sha256 (unsigned body, or S3) and Authorization;
// a request that was signed before can be signed again. `request.url` must be what goes over the wire.
// `invalid_argument` when it is not a URL.
Result<> sign(HttpRequest& request, const AwsCredentials& credentials, const SigningScope& scope, Time now,
              Payload payload = Payload::hashed);

// The text whose hash is signed; for tests and for comparing with what a server says it computed.
Result<std::string> canonical_request(const HttpRequest& request, std::string_view service,
                                      std::string_view payload_hash);

}  // namespace rekindle
