#include "sandbox/region/json_members.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

Refusal wrong_type(const char* name, const char* type) {
  return refuse("SerializationException", "The member {} is not a {}", name, type);
}

// Null is as if it were not there.
bool has(const json& body, const char* name) {
  return body.contains(name) && !body.at(name).is_null();
}

}  // namespace

Refusal invalid_member(const char* name, const std::string& value, const std::string& rule) {
  return refuse("ValidationException",
                "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: {}", value,
                name, rule);
}

Outcome<std::string> text_member(const json& body, const char* name) {
  if (!has(body, name)) return std::string();
  if (!body.at(name).is_string()) return wrong_type(name, "string");
  return body.at(name).get<std::string>();
}

Outcome<std::string> required_text(const json& body, const char* name) {
  if (has(body, name)) return text_member(body, name);
  return refuse(
      "ValidationException",
      "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not "
      "be null",
      name);
}

Outcome<std::int64_t> number_member(const json& body, const char* name, std::int64_t otherwise,
                                    std::int64_t least, std::int64_t most) {
  if (!has(body, name)) return otherwise;
  if (!body.at(name).is_number_integer()) return wrong_type(name, "whole number");
  const auto value = body.at(name).get<std::int64_t>();
  if (value < least)
    return invalid_member(name, std::to_string(value),
                          fmt::format("Member must have value greater than or equal to {}", least));
  if (value > most)
    return invalid_member(name, std::to_string(value),
                          fmt::format("Member must have value less than or equal to {}", most));
  return value;
}

Outcome<std::vector<std::string>> texts_member(const json& body, const char* name) {
  std::vector<std::string> texts;
  if (!has(body, name)) return texts;
  if (!body.at(name).is_array()) return wrong_type(name, "list");
  for (const json& one : body.at(name)) {
    if (!one.is_string()) return wrong_type(name, "list of strings");
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

}  // namespace rekindle::sandbox
