// The instance metadata service, version 2
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
#include <nlohmann/json.hpp>

#include "aws/credential_sources.h"
#include "aws/renewed_credentials.h"
#include "base/retry.h"

namespace rekindle {

namespace {

constexpr std::string_view roles_path = "/latest/meta-data/iam/security-credentials/";
constexpr auto token_life = "21600";  // seconds; the most that is given
constexpr RetryPolicy retries{3, std::chrono::milliseconds(100), std::chrono::milliseconds(1000)};

Result<std::string> ask(const CredentialContext& context, HttpRequest request) {
  request.connect_timeout = std::chrono::seconds(2);
  request.timeout = std::chrono::seconds(5);
  return with_retries(retries, context.clock, context.random, {}, [&]() -> Result<std::string> {
    const auto answer = context.transport.send(request);
    if (!answer.ok()) {
      return error(
          answer.error().code(),
          "the instance metadata service does not answer: an instance role is there only on an EC2 "
          "instance whose metadata service is on, and in a container only with a hop limit of 2 ({})",
          answer.error().message());
    }
    if (answer->status == 200) return std::string(answer->body_text());
    const auto code = answer->status >= 500   ? ErrorCode::unavailable
                      : answer->status == 404 ? ErrorCode::not_found
                                              : ErrorCode::unauthenticated;
    return error(code, "the instance metadata service answers {} with status {}", request.url,
                 answer->status);
  });
}

// "2026-11-25T10:00:00Z" and the keys.
Result<IssuedCredentials> parse_role_credentials(const std::string& role, const std::string& text) {
  const auto told = nlohmann::json::parse(text, nullptr, false);
  const auto member = [&](const char* name) {
    return told.is_object() && told.contains(name) && told[name].is_string() ? told[name].get<std::string>()
                                                                             : std::string();
  };
  const bool complete = !member("AccessKeyId").empty() && !member("SecretAccessKey").empty();
  if (member("Code") != "Success" || !complete) {
    return error(
        ErrorCode::unauthenticated,
        "the instance has the role {}, and no credentials for it ({}): check the role's trust policy "
        "(ec2.amazonaws.com) and its instance profile",
        role, member("Code"));
  }
  const Time expires = TRY(from_iso8601(member("Expiration")), "the end of the role's credentials");
  return IssuedCredentials{{member("AccessKeyId"), member("SecretAccessKey"), member("Token")}, expires};
}

Result<IssuedCredentials> issue_for_instance(const CredentialContext& context) {
  std::string endpoint = context.variables("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) endpoint = "http://169.254.169.254";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  HttpRequest for_token;
  for_token.method = "PUT";
  for_token.url = endpoint + "/latest/api/token";
  for_token.headers.add("X-aws-ec2-metadata-token-ttl-seconds", token_life);
  const std::string token = TRY(ask(context, for_token));
  HttpRequest request;
  request.headers.add("X-aws-ec2-metadata-token", token);
  request.url = endpoint + std::string(roles_path);
  const auto roles = ask(context, request);
  if (!roles.ok() && roles.error().code() != ErrorCode::not_found) return roles.error();
  const std::string role = roles.ok() ? roles->substr(0, roles->find_first_of("\r\n")) : "";
  if (role.empty()) {
    return error(ErrorCode::unauthenticated,
                 "this EC2 instance has no role: attach an instance profile to it");
  }
  request.url += role;
  const std::string keys = TRY(ask(context, request));
  return parse_role_credentials(role, keys);
}

}  // namespace

Credentials instance_role_credentials(const CredentialContext& context) {
  return Credentials(std::make_shared<RenewedCredentials>(
      "the instance's role", [context] { return issue_for_instance(context); }, context.clock));
}

}  // namespace rekindle
