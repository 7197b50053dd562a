#include "aws/assume_role_policy.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace rekindle {

namespace {

using nlohmann::json;

struct Arn {
  std::string_view partition;
  std::string_view service;
  std::string_view account;
  std::string_view resource;  // "role/path/name"

  bool is(std::string_view of, std::string_view kind) const {
    return service == of && resource.starts_with(kind);
  }
};

bool is_account_id(std::string_view text) {
  constexpr std::size_t digits = 12;
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "arn:partition:service::account:resource": of IAM and STS, which name no region.
std::optional<Arn> parse_arn(std::string_view text) {
  std::vector<std::string_view> parts;
  constexpr std::size_t before_resource = 5;
  while (parts.size() < before_resource) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    parts.push_back(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  if (parts[0] != "arn" || !parts[3].empty() || !is_account_id(parts[4]) || text.empty()) return std::nullopt;
  return Arn{parts[1], parts[2], parts[4], text};
}

Result<Arn> role_of(const std::string& text) {
  const auto arn = parse_arn(text);
  if (arn && arn->is("iam", "role/")) return *arn;
  return error(ErrorCode::invalid_argument,
               "'{}' is not the ARN of a role; write arn:aws:iam::123456789012:role/NAME", text);
}

// The session's name changes with every start; what is trusted is its role.
Error about_a_session(const std::string& text, const Arn& arn) {
  const std::string_view rest = arn.resource.substr(arn.resource.find('/') + 1);
  return error(
      ErrorCode::invalid_argument,
      "'{}' is a session, which ends; write the ARN of its role: arn:{}:iam::{}:role/{}, with the role's "
      "path before its name if it has one",
      text, arn.partition, arn.account, rest.substr(0, rest.find('/')));
}

Result<Arn> caller_of(const std::string& text) {
  const auto arn = parse_arn(text);
  if (arn && arn->is("sts", "assumed-role/")) return about_a_session(text, *arn);
  if (arn && (arn->is("iam", "role/") || arn->is("iam", "user/") || arn->resource == "root")) return *arn;
  return error(ErrorCode::invalid_argument,
               "'{}' is not who may assume a role; write the ARN of a role or a user: "
               "arn:aws:iam::123456789012:role/NAME; 'aws sts get-caller-identity' says who calls",
               text);
}

// As AWS takes them.
Result<> check_external_id(std::string_view id) {
  constexpr std::size_t shortest = 2, longest = 1224;
  const bool is_known = std::all_of(id.begin(), id.end(), [](char c) {
    const bool is_word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    return is_word || std::string_view("+=,.@:/-").find(c) != std::string_view::npos;
  });
  if (id.empty() || (is_known && id.size() >= shortest && id.size() <= longest)) return {};
  return error(ErrorCode::invalid_argument,
               "the external id must have {} to {} letters, digits and _+=,.@:/- and nothing else", shortest,
               longest);
}

json policy_of(json statement) {
  return {{"Version", "2012-10-17"}, {"Statement", json::array({std::move(statement)})}};
}

}  // namespace

Result<json> assume_role_policies(const RoleTrust& trust) {
  const Arn role = TRY(role_of(trust.role));
  const Arn caller = TRY(caller_of(trust.caller));
  TRY(check_external_id(trust.external_id));
  if (role.partition != caller.partition) {
    return error(ErrorCode::invalid_argument,
                 "{} cannot assume {}: one partition's principals cannot act in another", trust.caller,
                 trust.role);
  }
  json trusted = {{"Sid", "LetTheProxyActInThisRole"},
                  {"Effect", "Allow"},
                  {"Principal", {{"AWS", trust.caller}}},
                  {"Action", "sts:AssumeRole"}};
  if (!trust.external_id.empty())
    trusted["Condition"] = {{"StringEquals", {{"sts:ExternalId", trust.external_id}}}};
  json asks = {{"Sid", "ActInTheRoleOfTheAccount"},
               {"Effect", "Allow"},
               {"Action", "sts:AssumeRole"},
               {"Resource", trust.role}};
  return json{{"trust_policy", policy_of(std::move(trusted))}, {"caller_policy", policy_of(std::move(asks))}};
}

}  // namespace rekindle
