#include "sandbox/region/sts.h"

#include "base/random.h"
#include "sandbox/region/ec2.h"
#include "sandbox/region/signature.h"
#include "sandbox/region/xml.h"

namespace rekindle::sandbox {

namespace {

constexpr const char* sts_namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
constexpr std::int64_t shortest_session = 900;
constexpr std::int64_t longest_session = 43200;

struct StsCall {
  const RegionOptions& options;
  const Roles& roles;
  const Parameters& in;
  Xml out;
  std::string access_key;
  std::string session_token;
  std::int64_t now_ms;
};

Outcome<> get_caller_identity(StsCall& call) {
  const auto session = call.roles.session_of(call.access_key, call.session_token, call.now_ms);
  Xml result = call.out.child("GetCallerIdentityResult");
  result.add("Arn",
             session ? fmt::format("arn:aws:sts::{}:assumed-role/{}", call.options.account_id, session->name)
                     : fmt::format("arn:aws:iam::{}:user/sandbox", call.options.account_id));
  result.add("UserId", call.access_key);
  result.add("Account", call.options.account_id);
  return {};
}

// An unknown role and a wrong external id look the same to the caller, as in AWS.
Outcome<Role> role_to_assume(const StsCall& call, const std::string& arn) {
  const std::string prefix = fmt::format("arn:aws:iam::{}:role/", call.options.account_id);
  const auto role = arn.starts_with(prefix) ? call.roles.find(arn.substr(prefix.size())) : std::nullopt;
  if (role && role->external_id == call.in.text("ExternalId")) return *role;
  return Refusal{
      "AccessDenied",
      fmt::format("User: arn:aws:iam::{}:user/sandbox is not authorized to perform: sts:AssumeRole "
                  "on resource: {}",
                  call.options.account_id, arn),
      403};
}

Outcome<> assume_role(StsCall& call) {
  const std::string arn = TRY(call.in.required("RoleArn"));
  const std::string name = TRY(call.in.required("RoleSessionName"));
  std::int64_t seconds = TRY(call.in.number("DurationSeconds", 3600));
  if (seconds < shortest_session || seconds > longest_session) {
    return refuse("ValidationError", "1 validation error detected: Value '{}' at 'durationSeconds' failed",
                  seconds);
  }
  const Role role = TRY(role_to_assume(call, arn));
  if (role.life_seconds > 0) seconds = role.life_seconds;
  const std::string session = role.name + "/" + name;
  const TemporaryKey key = call.roles.issue(session, call.now_ms, seconds);
  Xml result = call.out.child("AssumeRoleResult");
  Xml credentials = result.child("Credentials");
  credentials.add("AccessKeyId", key.access_key);
  credentials.add("SecretAccessKey", key.secret_key);
  credentials.add("SessionToken", key.session_token);
  credentials.add_time("Expiration", key.expires_ms);
  Xml user = result.child("AssumedRoleUser");
  user.add("AssumedRoleId", "AROA" + role.name + ":" + name);
  user.add("Arn", fmt::format("arn:aws:sts::{}:assumed-role/{}", call.options.account_id, session));
  return {};
}

}  // namespace

HttpResponse answer_sts(const RegionOptions& options, const Roles& roles, const HttpRequest& request,
                        std::int64_t now_ms) {
  const Parameters parameters = parameters_of(request);
  const std::string name = parameters.text("Action");
  SystemRandom random;
  const std::string request_id = random.uuid();
  pugi::xml_document document;
  pugi::xml_node root = document.append_child((name + "Response").c_str());
  root.append_attribute("xmlns").set_value(sts_namespace);
  StsCall call{options,
               roles,
               parameters,
               Xml(root),
               claimed_access_key(request),
               std::string(request.headers.get("x-amz-security-token")),
               now_ms};
  Outcome<> done = refuse("InvalidAction", "Could not find operation {} in the local region", name);
  if (name == "GetCallerIdentity") done = get_caller_identity(call);
  if (name == "AssumeRole") done = assume_role(call);
  if (!done.ok()) return sts_refusal(std::move(done).error(), request_id);
  call.out.child("ResponseMetadata").add("RequestId", request_id);
  return xml_answer(200, document);
}

HttpResponse sts_refusal(const Refusal& refusal, const std::string& request_id) {
  return query_refusal(sts_namespace, refusal, request_id);
}

HttpResponse query_refusal(const char* xml_namespace, const Refusal& refusal, const std::string& request_id) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("ErrorResponse");
  root.append_attribute("xmlns").set_value(xml_namespace);
  Xml out(root);
  Xml error = out.child("Error");
  error.add("Type", refusal.status < 500 ? "Sender" : "Receiver");
  error.add("Code", refusal.code);
  error.add("Message", refusal.message);
  out.add("RequestId", request_id);
  return xml_answer(refusal.status, document);
}

}  // namespace rekindle::sandbox
