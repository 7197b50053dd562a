// Identity-based IAM policies, and what they say to a request, as AWS documents it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html and
// reference_policies_evaluation-logic.html): nothing is allowed but by a statement, and what any statement
// denies is denied. What is not known here is refused when the document is read: no document means less than
// it says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sandbox/region/iam_conditions.h"

namespace rekindle::sandbox {

// One action on one resource. A call that touches several asks for each.
struct AccessRequest {
  std::string action;    // "ec2:DeleteVolume"
  std::string resource;  // an ARN; "*" for actions that know no resources
  ConditionContext context = {};
};

// Copies are deep; it does not change.
class IamPolicyDocument {
 public:
  // `invalid_argument`, with the sentence that says which element is not one, or not known: Principal,
  // NotAction, NotResource, other operators, policy variables, other versions than 2012-10-17.
  static Result<IamPolicyDocument> parse(const nlohmann::json& document);

  enum class Answer { allowed, not_mentioned, denied };
  Answer judge(const AccessRequest& request) const;

  std::vector<std::string> condition_keys() const;
  const nlohmann::json& document() const { return document_; }

 private:
  struct Rule {
    bool allows = false;
    std::vector<std::string> actions, resources;
    std::vector<IamCondition> conditions;
    bool is_about(const AccessRequest& request) const;
  };
  static Result<Rule> parse_rule(const nlohmann::json& statement);

  nlohmann::json document_;
  std::vector<Rule> rules_;
};

}  // namespace rekindle::sandbox
