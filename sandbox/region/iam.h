// IAM, version 2010-05-08: GetInstanceProfile.
#pragma once

#include <string>

#include "net/http.h"
#include "sandbox/region/account_settings.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/region.h"

namespace rekindle::sandbox {

HttpResponse answer_iam(const RegionOptions& options, const AccountSettings& account,
                        const HttpRequest& request);
HttpResponse iam_refusal(const Refusal& refusal, const std::string& request_id);

}  // namespace rekindle::sandbox
