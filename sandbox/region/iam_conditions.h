// The Condition element of IAM policies
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html and
// reference_policies_condition-single-vs-multi-valued-context-keys.html).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::sandbox {

// Letters of either case are the same: so are the names of actions and of condition keys.
struct CaselessLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};

// Condition keys of a request with their values. Most have one; aws:TagKeys has several. A key without a
// value is absent.
using ConditionContext = std::map<std::string, std::vector<std::string>, CaselessLess>;

// As IAM has wildcards: * is any text, also none and across colons; ? is one character.
bool matches_pattern(std::string_view pattern, std::string_view text);
bool matches_caseless_pattern(std::string_view pattern, std::string_view text);

// One key of one operator; all of a statement must hold.
class IamCondition {
 public:
  // The block {"StringEquals": {"key": "value", "other": ["a", "b"]}}. `invalid_argument`: it is none, or has
  // an operator or a policy variable (${...}) that is not known here. Known are StringEquals, StringLike,
  // their IgnoreCase and Not forms, Bool and Null, with IfExists, ForAllValues: and ForAnyValue:.
  static Result<std::vector<IamCondition>> parse(const nlohmann::json& block);

  bool holds(const ConditionContext& context) const;
  const std::string& key() const { return key_; }

 private:
  enum class Comparison { equal, equal_ignoring_case, like, null };
  enum class Quantifier { none, all_values, any_value };
  struct Operator {
    std::string_view name;
    Comparison comparison;
    bool negated;
  };
  static const Operator* find_operator(std::string_view name);
  static Result<IamCondition> parse_operator(const std::string& name);
  bool fits(const std::string& value) const;

  Comparison comparison_ = Comparison::equal;
  Quantifier quantifier_ = Quantifier::none;
  bool negated_ = false;
  bool if_exists_ = false;
  std::string key_;
  std::vector<std::string> values_;
};

}  // namespace rekindle::sandbox
