#include "aws/credential_sources.h"

#include <charconv>

#include "aws/query_client.h"
#include "aws/renewed_credentials.h"

namespace rekindle {

namespace {

// Others write the environment's files: what they said may be old after this.
constexpr auto files_hold_for = std::chrono::minutes(15);
constexpr int longest_chain = 5;  // of profiles that name each other

Credentials renewed(std::string name, RenewedCredentials::Issue issue, Clock& clock) {
  return Credentials(std::make_shared<RenewedCredentials>(std::move(name), std::move(issue), clock));
}

std::string value_of(const AwsProfile& profile, const char* key) {
  const auto found = profile.find(key);
  return found == profile.end() ? std::string() : found->second;
}

Result<AwsCredentials> keys_of_environment(const EnvironmentVariables& variables) {
  AwsCredentials keys{variables("AWS_ACCESS_KEY_ID"), variables("AWS_SECRET_ACCESS_KEY"),
                      variables("AWS_SESSION_TOKEN")};
  if (!keys.access_key_id.empty() && !keys.secret_access_key.empty()) return keys;
  return error(
      ErrorCode::unauthenticated,
      "the environment holds no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for "
      "this program, or register the account with others");
}

Result<RoleToAssume> role_of(const std::string& name, const AwsProfile& profile) {
  RoleToAssume role{value_of(profile, "role_arn"), value_of(profile, "external_id")};
  if (const std::string session = value_of(profile, "role_session_name"); !session.empty())
    role.session_name = session;
  const std::string seconds = value_of(profile, "duration_seconds");
  if (seconds.empty()) return role;
  const auto [end, failure] = std::from_chars(seconds.data(), seconds.data() + seconds.size(), role.seconds);
  if (failure == std::errc() && end == seconds.data() + seconds.size()) return role;
  return error(ErrorCode::invalid_argument, "duration_seconds of the AWS profile '{}' is no number: {}", name,
               seconds);
}

// Who calls AssumeRole for a profile that names a role and no other profile.
Result<Credentials> named_source(const CredentialContext& context, const std::string& name,
                                 const std::string& source) {
  if (source == "Environment") return environment_credentials(context);
  if (source == "Ec2InstanceMetadata") return instance_role_credentials(context);
  return error(ErrorCode::invalid_argument,
               "the AWS profile '{}' names a role, and as credential_source '{}': give it a source_profile, "
               "or Environment or Ec2InstanceMetadata",
               name, source);
}

Result<Credentials> credentials_of_profile(const CredentialContext& context, const std::string& name,
                                           int depth) {
  if (depth == longest_chain) {
    return error(ErrorCode::invalid_argument, "the AWS profile '{}' is reached by its own source_profile",
                 name);
  }
  const AwsProfile profile = TRY(read_aws_profile(name, context.variables));
  const std::string source = value_of(profile, "source_profile");
  Credentials keys(value_of(profile, "aws_access_key_id"), value_of(profile, "aws_secret_access_key"),
                   value_of(profile, "aws_session_token"));
  if (value_of(profile, "role_arn").empty()) {
    if (keys.check().ok()) return keys;
    return error(ErrorCode::unauthenticated,
                 "the AWS profile '{}' holds no access key{}: give it aws_access_key_id and "
                 "aws_secret_access_key, or role_arn and source_profile",
                 name,
                 profile.contains("sso_session") || profile.contains("sso_start_url")
                     ? " (single sign-on cannot renew itself unattended)"
                     : "");
  }
  const RoleToAssume role = TRY(role_of(name, profile));
  if (source == name) return assumed_role_credentials(context, keys, role);
  const Credentials caller = source.empty()
                                 ? TRY(named_source(context, name, value_of(profile, "credential_source")))
                                 : TRY(credentials_of_profile(context, source, depth + 1));
  return assumed_role_credentials(context, caller, role);
}

}  // namespace

Credentials environment_credentials(const CredentialContext& context) {
  const auto issue = [context]() -> Result<IssuedCredentials> {
    return IssuedCredentials{TRY(keys_of_environment(context.variables)),
                             context.clock.now() + files_hold_for};
  };
  return renewed("the environment", issue, context.clock);
}

Credentials profile_credentials(const CredentialContext& context, const std::string& profile) {
  const auto issue = [context, profile]() -> Result<IssuedCredentials> {
    const Credentials found = TRY(credentials_of_profile(context, profile, 0));
    return IssuedCredentials{TRY(found.get()), context.clock.now() + files_hold_for};
  };
  return renewed("profile " + profile, issue, context.clock);
}

Credentials assumed_role_credentials(const CredentialContext& context, const Credentials& caller,
                                     const RoleToAssume& role) {
  const auto issue = [context, caller, role]() -> Result<IssuedCredentials> {
    auto service = TRY(ServiceClient::make({"sts", context.region, context.endpoint, caller, {4}},
                                           context.transport, context.clock, context.random));
    QueryClient sts(std::move(service), "2011-06-15", context.clock);
    QueryForm form("AssumeRole");
    form.set("RoleArn", role.arn).set("RoleSessionName", role.session_name);
    form.set("DurationSeconds", std::to_string(role.seconds)).set_if("ExternalId", role.external_id);
    const QueryAnswer answer = TRY(sts.call(form), "assuming {}", role.arn);
    const QueryElement issued = answer.root().child("AssumeRoleResult").child("Credentials");
    return IssuedCredentials{{TRY(issued.required("AccessKeyId")), TRY(issued.required("SecretAccessKey")),
                              TRY(issued.required("SessionToken"))},
                             TRY(from_iso8601(TRY(issued.required("Expiration"))))};
  };
  return renewed("role " + role.arn, issue, context.clock);
}

}  // namespace rekindle
