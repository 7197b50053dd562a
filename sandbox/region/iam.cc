#include "sandbox/region/iam.h"

#include "base/random.h"
#include "sandbox/region/ec2.h"
#include "sandbox/region/query.h"
#include "sandbox/region/sts.h"
#include "sandbox/region/xml.h"

namespace rekindle::sandbox {

namespace {

constexpr const char* iam_namespace = "https://iam.amazonaws.com/doc/2010-05-08/";
constexpr const char* made = "2026-01-01T00:00:00Z";

void write_role(Xml member, const RegionOptions& options, const InstanceProfile& profile) {
  member.add("Path", "/");
  member.add("RoleName", profile.role);
  member.add("RoleId", "AROA" + profile.role);
  member.add("Arn", fmt::format("arn:aws:iam::{}:role/{}", options.account_id, profile.role));
  member.add("CreateDate", made);
}

Outcome<> get_instance_profile(const RegionOptions& options, const AccountSettings& account,
                               const Parameters& in, Xml out) {
  const std::string name = TRY(in.required("InstanceProfileName"));
  const auto profile = account.find_profile(name);
  if (!profile)
    return Refusal{"NoSuchEntity", fmt::format("Instance Profile {} cannot be found.", name), 404};
  Xml result = out.child("GetInstanceProfileResult").child("InstanceProfile");
  result.add("Path", profile->path);
  result.add("InstanceProfileName", profile->name);
  result.add("InstanceProfileId", "AIPA" + profile->name);
  result.add("Arn", fmt::format("arn:aws:iam::{}:instance-profile{}{}", options.account_id, profile->path,
                                profile->name));
  result.add("CreateDate", made);
  Xml roles = result.child("Roles");
  if (!profile->role.empty()) write_role(roles.child("member"), options, *profile);
  return {};
}

}  // namespace

HttpResponse answer_iam(const RegionOptions& options, const AccountSettings& account,
                        const HttpRequest& request) {
  const Parameters parameters = parameters_of(request);
  const std::string name = parameters.text("Action");
  SystemRandom random;
  const std::string request_id = random.uuid();
  pugi::xml_document document;
  pugi::xml_node root = document.append_child((name + "Response").c_str());
  root.append_attribute("xmlns").set_value(iam_namespace);
  Xml out(root);
  Outcome<> done = refuse("InvalidAction", "Could not find operation {} in the local region", name);
  if (name == "GetInstanceProfile") done = get_instance_profile(options, account, parameters, out);
  if (!done.ok()) return iam_refusal(std::move(done).error(), request_id);
  out.child("ResponseMetadata").add("RequestId", request_id);
  return xml_answer(200, document);
}

HttpResponse iam_refusal(const Refusal& refusal, const std::string& request_id) {
  return query_refusal(iam_namespace, refusal, request_id);
}

}  // namespace rekindle::sandbox
