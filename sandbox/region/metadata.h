// The instance metadata service: a session token first (version 2), then what is asked with it. It answers an
// instance over its own cable (metadata_links.h), and over the region's port the proxies: processes on this
// computer that are told AWS_EC2_METADATA_SERVICE_ENDPOINT.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/region.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

constexpr std::string_view metadata_prefix = "/latest/";

// What the service says to one caller.
struct Metadata {
  std::string caller;                         // whose tokens are good: those of another are not
  bool enabled = true;                        // else 403
  bool token_required = true;                 // else also version 1, which asks for none
  std::map<std::string, std::string> values;  // by path: "meta-data/instance-id"
  std::optional<Role> role;                   // whose keys are given out
  std::string role_session;                   // the name of the role's sessions
};

Metadata metadata_of_proxies(const RegionOptions& options, const Roles& roles);
// Locks the cloud. None: there is no such instance.
std::optional<Metadata> metadata_of_instance(Cloud& cloud, const Roles& roles,
                                             const std::string& instance_id);

//   PUT /latest/api/token with X-aws-ec2-metadata-token-ttl-seconds (1 to 21600): 200, the token
//   GET /latest/PATH with X-aws-ec2-metadata-token: the value; of a folder the names in it, one a line,
//   folders with a slash; 401 without a token, or with one that has ended; 404 if there is no such thing.
HttpResponse answer_metadata(const Metadata& metadata, const RegionOptions& options, const Roles& roles,
                             const HttpRequest& request, std::int64_t now_ms);

}  // namespace rekindle::sandbox
