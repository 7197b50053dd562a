// The services that speak AWS's JSON 1.1 protocol: of Service Quotas (2019-06-24) the quotas of vCPUs,
// volumes and snapshots, of KMS (2014-11-01) DescribeKey, and what EBS asks of a key as far as it is only
// tried (DryRun); of Systems Manager (2014-11-06) Run Command (run_command.h).
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/outcome.h"

namespace rekindle::sandbox {

// Whether the service of a credential scope is one of these.
bool speaks_json(std::string_view service);
// "GetServiceQuota", of the header X-Amz-Target.
std::string json_action(const HttpRequest& request);

// Takes the cloud's mutex where it needs it.
HttpResponse answer_json(Cloud& cloud, const std::string& service, const HttpRequest& request);
HttpResponse json_refusal(const Refusal& refusal);

}  // namespace rekindle::sandbox
