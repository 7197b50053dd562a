// What a session of a role may do.
#pragma once

#include <string>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

// Of a request whose signature was verified: the refusal of a role that may not do this. With a policy
// document every request is judged by it (access_requests.h); with a list of actions all but those of STS by
// their name. Takes the cloud's mutex. Refusals: UnauthorizedOperation (403) of EC2, AccessDeniedException of
// EBS (403), KMS, Service Quotas and Systems Manager (400), AccessDenied (403) of IAM and STS.
Outcome<> check_role(Cloud& cloud, const Roles& roles, const HttpRequest& request, const std::string& service,
                     const std::string& action);

}  // namespace rekindle::sandbox
