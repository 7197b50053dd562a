#include "aws/credential_sources.h"

#include <algorithm>
#include <charconv>
#include <mutex>

#include "aws/query_client.h"
#include "aws/renewed_credentials.h"
#include "base/log.h"

namespace rekindle {

namespace {

constexpr auto files_hold_for = std::chrono::minutes(5);

struct NamedProfile {
  std::string name;
  AwsProfile fields;

  std::string field(const char* key) const {
    const auto found = fields.find(key);
    return found == fields.end() ? std::string() : found->second;
  }
  bool names_role() const { return !field("role_arn").empty(); }
  Credentials keys() const {
    return {field("aws_access_key_id"), field("aws_secret_access_key"), field("aws_session_token")};
  }
  bool operator==(const NamedProfile&) const = default;
};

// A profile, and the profiles by which it is reached: each calls AssumeRole with the next.
using ProfileChain = std::vector<NamedProfile>;

Result<ProfileChain> read_chain(const std::string& name, const EnvironmentVariables& variables) {
  ProfileChain chain;
  std::string next = name;
  while (true) {
    const auto seen = [&](const NamedProfile& profile) { return profile.name == next; };
    if (std::ranges::any_of(chain, seen)) {
      return error(ErrorCode::unauthenticated, "the AWS profile '{}' is reached by its own source_profile",
                   next);
    }
    chain.push_back({next, TRY(read_aws_profile(next, variables))});
    const NamedProfile& last = chain.back();
    const std::string source = last.field("source_profile");
    // As the SDKs do it: a source that has keys is used by these, whatever role it names.
    const bool ends = chain.size() > 1 && last.keys().check().ok();
    if (ends || !last.names_role() || source.empty() || source == last.name) return chain;
    next = source;
  }
}

// What there is in place of keys, for the sentence.
std::string unusable_fields(const NamedProfile& profile) {
  std::string found;
  for (const char* key : {"sso_session", "sso_start_url", "credential_process", "web_identity_token_file"}) {
    if (profile.fields.contains(key)) found += fmt::format(" (it has {}, which cannot be used here)", key);
  }
  return found;
}

Result<RoleToAssume> role_of(const NamedProfile& profile) {
  if (profile.fields.contains("mfa_serial")) {
    return error(ErrorCode::unauthenticated,
                 "the AWS profile '{}' asks for a code of {}: nobody types one when Rekindle runs by itself; "
                 "let the role be assumed without MFA",
                 profile.name, profile.field("mfa_serial"));
  }
  RoleToAssume role{profile.field("role_arn"), profile.field("external_id")};
  if (const std::string session = profile.field("role_session_name"); !session.empty())
    role.session_name = session;
  const std::string seconds = profile.field("duration_seconds");
  if (seconds.empty()) return role;
  const auto [end, failure] = std::from_chars(seconds.data(), seconds.data() + seconds.size(), role.seconds);
  if (failure == std::errc() && end == seconds.data() + seconds.size()) return role;
  return error(ErrorCode::unauthenticated, "duration_seconds of the AWS profile '{}' is no number: {}",
               profile.name, seconds);
}

// Who makes the first call.
Result<Credentials> caller_of(const CredentialContext& context, const NamedProfile& last) {
  if (last.keys().check().ok()) return last.keys();
  const std::string source = last.field("credential_source");
  if (source == "Environment") return environment_credentials(context);
  if (source == "Ec2InstanceMetadata") return instance_role_credentials(context);
  return error(
      ErrorCode::unauthenticated,
      "the AWS profile '{}' holds no access key{}: give it aws_access_key_id and "
      "aws_secret_access_key, or role_arn with source_profile or with credential_source Environment or "
      "Ec2InstanceMetadata",
      last.name, unusable_fields(last));
}

Result<Credentials> credentials_of(const CredentialContext& context, const ProfileChain& chain) {
  Credentials credentials = TRY(caller_of(context, chain.back()));
  for (auto profile = chain.rbegin(); profile != chain.rend(); ++profile) {
    const bool only_keys = !profile->names_role() ||
                           (profile == chain.rbegin() && chain.size() > 1 && profile->keys().check().ok());
    if (only_keys) continue;
    const RoleToAssume role = TRY(role_of(*profile));
    credentials = assumed_role_credentials(context, credentials, role);
  }
  return credentials;
}

class ProfileSource final : public CredentialSource {
 public:
  ProfileSource(CredentialContext context, std::string name)
      : context_(std::move(context)), name_(std::move(name)) {}

  Result<AwsCredentials> get() override {
    const Credentials now = TRY(current());
    return now.get();
  }
  void expired(const std::string& access_key_id) override {
    const std::lock_guard lock(mutex_);
    read_again_ = {};
    if (chain_) static_cast<void>(credentials_.expired(access_key_id));
  }

 private:
  Result<Credentials> current() {
    const std::lock_guard lock(mutex_);
    if (chain_ && context_.clock.now() < read_again_) return credentials_;
    const Result<> read = read_files();
    if (!read.ok() && !chain_) return read.error();
    if (!read.ok()) log::warn("{}; what it said before is gone on with", read.error().message());
    read_again_ = context_.clock.now() + files_hold_for;
    return credentials_;
  }
  Result<> read_files() {
    const ProfileChain chain = TRY(read_chain(name_, context_.variables));
    if (chain_ && *chain_ == chain) return {};  // its role's session goes on
    credentials_ = TRY(rekindle::credentials_of(context_, chain));
    chain_ = chain;
    return {};
  }

  const CredentialContext context_;
  const std::string name_;
  std::mutex mutex_;
  std::optional<ProfileChain> chain_;
  Credentials credentials_;  // of chain_
  Time read_again_;
};

Result<IssuedCredentials> assume(const CredentialContext& context, const Credentials& caller,
                                 const RoleToAssume& role) {
  auto service = TRY(ServiceClient::make({"sts", context.region, context.endpoint, caller, {4}},
                                         context.transport, context.clock, context.random));
  QueryClient sts(std::move(service), "2011-06-15", context.clock);
  QueryForm form("AssumeRole");
  form.set("RoleArn", role.arn).set("RoleSessionName", role.session_name);
  form.set("DurationSeconds", std::to_string(role.seconds)).set_if("ExternalId", role.external_id);
  const Result<QueryAnswer> answer = sts.call(form);
  if (!answer.ok() && answer.error().code() == ErrorCode::permission_denied) {
    return error(ErrorCode::permission_denied,
                 "{} may not be assumed: its trust policy must name the caller and the external id that was "
                 "given, if it asks for one ({})",
                 role.arn, answer.error().message());
  }
  if (!answer.ok()) return Error(answer.error()).context("assuming {}", role.arn);
  const QueryElement issued = answer->root().child("AssumeRoleResult").child("Credentials");
  const std::string key = TRY(issued.required("AccessKeyId"));
  const std::string secret = TRY(issued.required("SecretAccessKey"));
  const std::string token = TRY(issued.required("SessionToken"));
  const std::string end = TRY(issued.required("Expiration"));
  const Time expires = TRY(from_iso8601(end));
  return IssuedCredentials{{key, secret, token}, expires};
}

}  // namespace

Result<Credentials> environment_credentials(const CredentialContext& context) {
  Credentials keys(context.variables("AWS_ACCESS_KEY_ID"), context.variables("AWS_SECRET_ACCESS_KEY"),
                   context.variables("AWS_SESSION_TOKEN"));
  if (keys.check().ok()) return keys;
  return error(
      ErrorCode::unauthenticated,
      "the environment holds no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for "
      "this program, or register the account with others");
}

Credentials profile_credentials(const CredentialContext& context, const std::string& profile) {
  return Credentials(std::make_shared<ProfileSource>(context, profile));
}

Credentials assumed_role_credentials(const CredentialContext& context, const Credentials& caller,
                                     const RoleToAssume& role) {
  return Credentials(std::make_shared<RenewedCredentials>(
      "role " + role.arn, [context, caller, role] { return assume(context, caller, role); }, context.clock));
}

}  // namespace rekindle
