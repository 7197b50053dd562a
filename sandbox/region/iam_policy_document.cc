#include "sandbox/region/iam_policy_document.h"

#include <algorithm>

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

using Names = std::initializer_list<std::string_view>;

Result<> check_members(const json& object, Names known) {
  if (!object.is_object()) return error(ErrorCode::invalid_argument, "{} is no object", object.dump());
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return error(ErrorCode::invalid_argument, "the element {} is not known to the local region", name);
  }
  return {};
}

// One text, or a list of them.
Result<std::vector<std::string>> texts(const json& object, const char* name) {
  const json value = object.value(name, json());
  std::vector<std::string> found;
  for (const json& one : value.is_array() ? value : json::array({value})) {
    if (!one.is_string()) return error(ErrorCode::invalid_argument, "{} is missing, or no text", name);
    if (one.get<std::string>().find("${") != std::string::npos)
      return error(ErrorCode::invalid_argument, "the policy variable in {} is not known to the local region",
                   one.get<std::string>());
    found.push_back(one);
  }
  if (found.empty()) return error(ErrorCode::invalid_argument, "{} is empty", name);
  return found;
}

Result<> check_all(const std::vector<std::string>& texts, std::string_view part, const char* what) {
  for (const std::string& text : texts) {
    if (text != "*" && text.find(part) == std::string::npos)
      return error(ErrorCode::invalid_argument, "'{}' is no {}", text, what);
  }
  return {};
}

}  // namespace

Result<IamPolicyDocument::Rule> IamPolicyDocument::parse_rule(const json& statement) {
  TRY(check_members(statement, {"Sid", "Effect", "Action", "Resource", "Condition"}));
  Rule rule;
  const json effect = statement.value("Effect", json());
  if (effect != "Allow" && effect != "Deny")
    return error(ErrorCode::invalid_argument, "Effect is {}, neither Allow nor Deny", effect.dump());
  rule.allows = effect == "Allow";
  rule.actions = TRY(texts(statement, "Action"));
  TRY(check_all(rule.actions, ":", "action"));
  rule.resources = TRY(texts(statement, "Resource"));
  TRY(check_all(rule.resources, "arn:", "ARN"));
  if (statement.contains("Condition")) rule.conditions = TRY(IamCondition::parse(statement.at("Condition")));
  return rule;
}

Result<IamPolicyDocument> IamPolicyDocument::parse(const json& document) {
  TRY(check_members(document, {"Version", "Id", "Statement"}));
  if (document.value("Version", json()) != "2012-10-17")
    return error(ErrorCode::invalid_argument, "the Version is not 2012-10-17");
  const json statements = document.value("Statement", json());
  IamPolicyDocument policy;
  policy.document_ = document;
  for (const json& statement : statements.is_array() ? statements : json::array({statements})) {
    const std::string name = statement.is_object() ? statement.value("Sid", json("without Sid")).dump() : "";
    Rule rule = TRY(parse_rule(statement), "the statement {}", name);
    policy.rules_.push_back(std::move(rule));
  }
  if (policy.rules_.empty()) return error(ErrorCode::invalid_argument, "the policy has no statement");
  return policy;
}

bool IamPolicyDocument::Rule::is_about(const AccessRequest& request) const {
  const auto is_action = [&](const std::string& pattern) {
    return matches_caseless_pattern(pattern, request.action);
  };
  const auto is_resource = [&](const std::string& pattern) {
    return matches_pattern(pattern, request.resource);
  };
  return std::any_of(actions.begin(), actions.end(), is_action) &&
         std::any_of(resources.begin(), resources.end(), is_resource) &&
         std::all_of(conditions.begin(), conditions.end(),
                     [&](const IamCondition& condition) { return condition.holds(request.context); });
}

IamPolicyDocument::Answer IamPolicyDocument::judge(const AccessRequest& request) const {
  Answer answer = Answer::not_mentioned;
  for (const Rule& rule : rules_) {
    if (!rule.is_about(request)) continue;
    if (!rule.allows) return Answer::denied;
    answer = Answer::allowed;
  }
  return answer;
}

std::vector<std::string> IamPolicyDocument::condition_keys() const {
  std::vector<std::string> keys;
  for (const Rule& rule : rules_) {
    for (const IamCondition& condition : rule.conditions) keys.push_back(condition.key());
  }
  return keys;
}

}  // namespace rekindle::sandbox
