#include "aws/instance_profile.h"

#include "aws/json_client.h"

namespace rekindle {

namespace {

Error no_such_profile(const std::string& profile) {
  return error(
      ErrorCode::invalid_argument,
      "IAM has no instance profile '{}'; list them with `aws iam list-instance-profiles` and set one, "
      "or none, in the DR plan (a role alone is none: `aws iam create-instance-profile`)",
      profile);
}

// "arn:aws:iam::123456789012:instance-profile/path/name" -> "name"
std::string name_of(const std::string& profile) {
  return profile.starts_with("arn:") ? profile.substr(profile.rfind('/') + 1) : profile;
}

Result<> check_answer(const QueryElement& found, const std::string& profile) {
  const std::string arn = found.text("Arn");
  if (profile.starts_with("arn:") && arn != profile) {
    return error(ErrorCode::invalid_argument,
                 "IAM has no instance profile '{}', but '{}'; correct instance_profile in the DR plan",
                 profile, arn);
  }
  if (!found.child("Roles").children("member").empty()) return {};
  return error(
      ErrorCode::invalid_argument,
      "the instance profile '{}' has no role, and EC2 launches nothing with it; add one with `aws iam "
      "add-role-to-instance-profile`",
      profile);
}

}  // namespace

ServiceOptions iam_options(ServiceOptions regional) {
  std::string host = "iam.amazonaws.com";
  std::string region = "us-east-1";
  if (regional.region.starts_with("cn-")) {
    host = "iam.cn-north-1.amazonaws.com.cn";
    region = "cn-north-1";
  }
  if (regional.region.starts_with("us-gov-")) {
    host = "iam.us-gov.amazonaws.com";
    region = "us-gov-west-1";
  }
  regional.service = "iam";
  regional.region = region;
  if (regional.endpoint.empty()) regional.endpoint = "https://" + host;
  return regional;
}

Result<Unproven> check_instance_profile(QueryClient& iam, const std::string& profile) {
  const auto not_asked = [&](const std::string& why) {
    return Unproven{fmt::format("whether there is an instance profile {} was not asked: {}", profile, why)};
  };
  QueryForm form("GetInstanceProfile");
  form.set("InstanceProfileName", name_of(profile));
  const auto outcome = iam.send(form, {.attempts = advice_attempts, .timeout = advice_timeout});
  if (!outcome.ok()) return not_asked(outcome.error().message());
  if (const auto* fault = std::get_if<AwsFault>(&*outcome)) {
    if (fault->code == "NoSuchEntity" || fault->code == "ValidationError") return no_such_profile(profile);
    return not_asked(iam.service().error_of(*fault, form.action()).message());
  }
  const QueryElement root = std::get<QueryAnswer>(*outcome).root();
  const QueryElement found = root.child("GetInstanceProfileResult").child("InstanceProfile");
  if (!found) return not_asked("AWS answered without it");
  TRY(check_answer(found, profile));
  return Unproven{};
}

}  // namespace rekindle
