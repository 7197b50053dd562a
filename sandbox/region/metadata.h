// The instance metadata service, version 2: a session token first, then what is asked with it. It answers for
// the proxies: processes on this computer that are told AWS_EC2_METADATA_SERVICE_ENDPOINT.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
#pragma once

#include <string_view>

#include "net/http.h"
#include "sandbox/region/region.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

constexpr std::string_view metadata_prefix = "/latest/";

//   PUT /latest/api/token with X-aws-ec2-metadata-token-ttl-seconds (1 to 21600): 200, the token
//   GET /latest/meta-data/iam/security-credentials/[ROLE], /latest/meta-data/placement/region: with the
//   token; 401 without one, or with one that has ended; 404 if there is no role.
HttpResponse answer_metadata(const RegionOptions& options, const Roles& roles, const HttpRequest& request,
                             std::int64_t now_ms);

}  // namespace rekindle::sandbox
