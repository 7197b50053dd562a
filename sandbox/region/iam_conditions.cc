#include "sandbox/region/iam_conditions.h"

#include <algorithm>

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return lower(c); });
  return result;
}

Result<std::string> text_of_value(const json& value) {
  if (value.is_boolean()) return std::string(value.get<bool>() ? "true" : "false");
  if (!value.is_string())
    return error(ErrorCode::invalid_argument, "{} is no value of a condition", value.dump());
  const std::string text = value;
  if (text.find("${") != std::string::npos)
    return error(ErrorCode::invalid_argument, "the policy variable in {} is not known to the local region",
                 text);
  return text;
}

Result<std::vector<std::string>> texts_of_values(const json& values) {
  std::vector<std::string> texts;
  for (const json& value : values.is_array() ? values : json::array({values})) {
    std::string text = TRY(text_of_value(value));
    texts.push_back(std::move(text));
  }
  if (texts.empty()) return error(ErrorCode::invalid_argument, "a condition without a value");
  return texts;
}

}  // namespace

bool CaselessLess::operator()(std::string_view a, std::string_view b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return lower(x) < lower(y); });
}

// Back to the last star where it went wrong: linear in what a policy holds.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t at = 0, in_text = 0, after_star = std::string_view::npos, star_text = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      after_star = ++at;
      star_text = in_text;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[in_text])) {
      ++at;
      ++in_text;
    } else if (after_star != std::string_view::npos) {
      at = after_star;
      in_text = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool matches_caseless_pattern(std::string_view pattern, std::string_view text) {
  return matches_pattern(lower(pattern), lower(text));
}

const IamCondition::Operator* IamCondition::find_operator(std::string_view name) {
  static constexpr Operator operators[] = {
      {"StringEquals", Comparison::equal, false},
      {"StringNotEquals", Comparison::equal, true},
      {"StringEqualsIgnoreCase", Comparison::equal_ignoring_case, false},
      {"StringNotEqualsIgnoreCase", Comparison::equal_ignoring_case, true},
      {"StringLike", Comparison::like, false},
      {"StringNotLike", Comparison::like, true},
      {"Bool", Comparison::equal_ignoring_case, false},
      {"Null", Comparison::null, false},
  };
  const auto* found = std::find_if(std::begin(operators), std::end(operators),
                                   [&](const Operator& one) { return one.name == name; });
  return found == std::end(operators) ? nullptr : found;
}

Result<IamCondition> IamCondition::parse_operator(const std::string& name) {
  IamCondition condition;
  std::string_view bare = name;
  const auto take = [&](std::string_view prefix, Quantifier quantifier) {
    if (!bare.starts_with(prefix)) return;
    bare.remove_prefix(prefix.size());
    condition.quantifier_ = quantifier;
  };
  take("ForAllValues:", Quantifier::all_values);
  take("ForAnyValue:", Quantifier::any_value);
  if (constexpr std::string_view suffix = "IfExists"; bare.ends_with(suffix)) {
    bare.remove_suffix(suffix.size());
    condition.if_exists_ = true;
  }
  const Operator* known = find_operator(bare);
  const bool decorated = condition.if_exists_ || condition.quantifier_ != Quantifier::none;
  if (known == nullptr || (known->comparison == Comparison::null && decorated)) {
    return error(ErrorCode::invalid_argument,
                 "the condition operator {} is not known to the local region; add it to iam_conditions.cc",
                 name);
  }
  condition.comparison_ = known->comparison;
  condition.negated_ = known->negated;
  return condition;
}

Result<std::vector<IamCondition>> IamCondition::parse(const json& block) {
  std::vector<IamCondition> conditions;
  if (!block.is_object()) return error(ErrorCode::invalid_argument, "Condition is no object");
  for (const auto& [name, keys] : block.items()) {
    const IamCondition pattern = TRY(parse_operator(name));
    if (!keys.is_object()) return error(ErrorCode::invalid_argument, "{} names no condition key", name);
    for (const auto& [key, values] : keys.items()) {
      IamCondition condition = pattern;
      condition.key_ = key;
      condition.values_ = TRY(texts_of_values(values), "{} of {}", name, key);
      conditions.push_back(std::move(condition));
    }
  }
  return conditions;
}

bool IamCondition::fits(const std::string& value) const {
  const auto is_wanted = [&](const std::string& wanted) {
    if (comparison_ == Comparison::like) return matches_pattern(wanted, value);
    if (comparison_ == Comparison::equal_ignoring_case) return lower(wanted) == lower(value);
    return wanted == value;
  };
  return std::any_of(values_.begin(), values_.end(), is_wanted) != negated_;
}

// An absent key fits nothing, so that only what is negated holds; the set operators say the opposite of each
// other.
bool IamCondition::holds(const ConditionContext& context) const {
  const auto found = context.find(key_);
  const bool absent = found == context.end() || found->second.empty();
  if (comparison_ == Comparison::null) {
    const std::string is_null = absent ? "true" : "false";
    return std::any_of(values_.begin(), values_.end(),
                       [&](const std::string& wanted) { return lower(wanted) == is_null; });
  }
  if (absent) {
    if (if_exists_ || quantifier_ == Quantifier::all_values) return true;
    return negated_ && quantifier_ == Quantifier::none;
  }
  const auto fits_one = [&](const std::string& value) { return fits(value); };
  const bool every = quantifier_ == Quantifier::all_values || (quantifier_ == Quantifier::none && negated_);
  return every ? std::all_of(found->second.begin(), found->second.end(), fits_one)
               : std::any_of(found->second.begin(), found->second.end(), fits_one);
}

}  // namespace rekindle::sandbox
