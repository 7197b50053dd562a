// The members of a JSON 1.1 request. They refuse in AWS's words: ValidationException, and
// SerializationException for a member of another type.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/region/outcome.h"

namespace rekindle::sandbox {

// Empty: it is not there.
Outcome<std::string> text_member(const nlohmann::json& body, const char* name);
Outcome<std::string> required_text(const nlohmann::json& body, const char* name);
// From `least` to `most`.
Outcome<std::int64_t> number_member(const nlohmann::json& body, const char* name, std::int64_t otherwise,
                                    std::int64_t least, std::int64_t most);
Outcome<std::vector<std::string>> texts_member(const nlohmann::json& body, const char* name);

// ValidationException: what the member is against the rules.
Refusal invalid_member(const char* name, const std::string& value, const std::string& rule);

}  // namespace rekindle::sandbox
