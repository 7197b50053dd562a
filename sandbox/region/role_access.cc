#include "sandbox/region/role_access.h"

#include <algorithm>

#include "sandbox/region/access_requests.h"
#include "sandbox/region/signature.h"

namespace rekindle::sandbox {

namespace {

Refusal refuse_access(const std::string& service, const std::string& message) {
  if (service == "ec2")
    return {"UnauthorizedOperation", "You are not authorized to perform this operation. " + message, 403};
  if (service == "iam" || service == "sts") return {"AccessDenied", message, 403};
  return {"AccessDeniedException", message, service == "ebs" ? 403 : 400};
}

Outcome<> check_list(const Role& role, const std::string& service, const std::string& wanted) {
  if (role.actions.empty() || service == "sts") return {};
  if (std::find(role.actions.begin(), role.actions.end(), wanted) != role.actions.end()) return {};
  return refuse_access(service,
                       fmt::format("The role {} is not authorized to perform: {}", role.name, wanted));
}

// In AWS's words.
std::string why_not(const std::string& caller, const AccessRequest& asked, IamPolicyDocument::Answer answer) {
  const std::string because =
      answer == IamPolicyDocument::Answer::denied
          ? "with an explicit deny in an identity-based policy"
          : fmt::format("because no identity-based policy allows the {} action", asked.action);
  return fmt::format("User: {} is not authorized to perform: {} on resource: {} {}", caller, asked.action,
                     asked.resource, because);
}

}  // namespace

Outcome<> check_role(Cloud& cloud, const Roles& roles, const HttpRequest& request, const std::string& service,
                     const std::string& action) {
  const auto session = roles.session_of(claimed_access_key(request),
                                        request.headers.get("x-amz-security-token"), cloud.now_ms());
  if (!session) return {};
  const auto role = roles.find(session->name.substr(0, session->name.find('/')));
  if (!role) return {};
  if (!role->policy) return check_list(*role, service, service + ":" + action);
  const std::lock_guard lock(cloud.mutex());
  const AccessWorld world{cloud.options(), cloud.state(), cloud.account(),
                          cloud.now_ms() - cloud.faults().not_found_window().count()};
  const auto all = TRY(access_requests(world, service, action, request));
  for (const AccessRequest& asked : all) {
    const auto answer = role->policy->judge(asked);
    if (answer == IamPolicyDocument::Answer::allowed) continue;
    const std::string caller =
        fmt::format("arn:aws:sts::{}:assumed-role/{}", cloud.options().account_id, session->name);
    return refuse_access(service, why_not(caller, asked, answer));
  }
  return {};
}

}  // namespace rekindle::sandbox
