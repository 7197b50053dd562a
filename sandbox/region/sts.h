// STS, version 2011-06-15: GetCallerIdentity and AssumeRole.
#pragma once

#include <string>

#include "net/http.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/region.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

// The request's signature was verified.
HttpResponse answer_sts(const RegionOptions& options, const Roles& roles, const HttpRequest& request,
                        std::int64_t now_ms);
HttpResponse sts_refusal(const Refusal& refusal, const std::string& request_id);
// How STS and IAM write it, each in its XML namespace.
HttpResponse query_refusal(const char* xml_namespace, const Refusal& refusal, const std::string& request_id);

}  // namespace rekindle::sandbox
