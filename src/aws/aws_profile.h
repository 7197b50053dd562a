// The files in which the AWS command line and SDKs keep profiles
// (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

// The value of a variable of the environment, "" if it is not set.
using EnvironmentVariables = std::function<std::string(const char* name)>;
std::string environment_variable(const char* name);

using AwsProfile = std::map<std::string, std::string>;  // "aws_access_key_id" -> "AKIA..."

// The sections of one such file: "[default]", "[name]", "[profile name]" (in the config file). Lines that are
// no "key = value", and nested ones, are passed over. A comment begins a line, or a word of it (" # ...").
std::map<std::string, AwsProfile> parse_aws_profiles(std::string_view text);

// What AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and AWS_CONFIG_FILE (~/.aws/config) say of the
// profile; the former goes before. `unauthenticated` names the files.
Result<AwsProfile> read_aws_profile(const std::string& name, const EnvironmentVariables& variables);

}  // namespace rekindle
