// The EC2 Query API, version 2016-11-15: form in, XML out.
#pragma once

#include <string>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/query.h"

namespace rekindle::sandbox {

// Of the form body or the query; STS is called in the same way.
Parameters parameters_of(const HttpRequest& request);
// The Action parameter, of the form body or the query.
std::string query_action(const HttpRequest& request);

HttpResponse answer_ec2(Cloud& cloud, const HttpRequest& request, const Faults::Verdict& verdict);

HttpResponse ec2_refusal(const Refusal& refusal, const std::string& request_id);

}  // namespace rekindle::sandbox
