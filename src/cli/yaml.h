// Records as YAML, for people: the same words as in JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle {

// `invalid_argument` with the line of what is no YAML. Plain
// words are read as YAML 1.2 has them: true and false, numbers, null; everything else is text.
Result<nlohmann::json> parse_yaml(const std::string& text);

std::string to_yaml(const nlohmann::json& value);

// The fields of `given` that `known` (the same record, read and written again) does not have, by their path:
// "machines[0].production.subnet". What a typing error looks like.
std::vector<std::string> unknown_fields(const nlohmann::json& given, const nlohmann::json& known);

// What changed, a sentence each: "machines[0].production.instance_type: t3.small -> t3.large".
std::vector<std::string> differences(const nlohmann::json& before, const nlohmann::json& after);

}  // namespace rekindle
