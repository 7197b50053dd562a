// What S3 answers instead of a result, in sentences for the one who set the vault up.
#pragma once

#include <string>

#include "aws/fault.h"
#include "net/http.h"

namespace rekindle {

struct S3FaultContext {
  std::string action;  // "PutObject"
  std::string bucket;
  std::string region;
  std::string access_key_id;
};

// `not_found`: no such object, or no such upload. `already_exists`: 412. `failed_precondition`: the bucket is
// absent, in another region, or the server does not know the call. Others as to_error().
Error s3_error(const AwsFault& fault, const HttpResponse& response, const S3FaultContext& context);

}  // namespace rekindle
