// The services that speak AWS's JSON 1.1 protocol: of Service Quotas (2019-06-24) the quotas of vCPUs,
// volumes and snapshots, of KMS (2014-11-01) DescribeKey, and what EBS asks of a key as far as it is only
// tried (DryRun).
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/account_settings.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/region.h"

namespace rekindle::sandbox {

// Whether the service of a credential scope is one of these.
bool speaks_json(std::string_view service);
// "GetServiceQuota", of the header X-Amz-Target.
std::string json_action(const HttpRequest& request);

HttpResponse answer_json(const RegionOptions& options, const AccountSettings& account,
                         const std::string& service, const HttpRequest& request);
HttpResponse json_refusal(const Refusal& refusal);

}  // namespace rekindle::sandbox
