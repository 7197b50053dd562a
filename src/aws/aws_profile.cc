#include "aws/aws_profile.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"

namespace rekindle {

namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// Without HOME, as in a timer or a unit: that of the user.
std::filesystem::path home_of(const EnvironmentVariables& variables) {
  const std::string home = variables("HOME");
  if (!home.empty()) return home;
  const passwd* user = ::getpwuid(::getuid());  // NOLINT(concurrency-mt-unsafe): the text is copied at once
  return user != nullptr ? user->pw_dir : "/";
}

std::filesystem::path file_of(const EnvironmentVariables& variables, const char* variable,
                              const char* usual_name) {
  const std::string named = variables(variable);
  return named.empty() ? home_of(variables) / ".aws" / usual_name : std::filesystem::path(named);
}

std::string_view without_comment(std::string_view value) {
  for (const char* mark : {" #", " ;", "\t#", "\t;"}) value = value.substr(0, value.find(mark));
  return trimmed(value);
}

}  // namespace

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return value != nullptr ? value : "";
}

std::map<std::string, AwsProfile> parse_aws_profiles(std::string_view text) {
  std::map<std::string, AwsProfile> sections;
  AwsProfile* section = nullptr;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view whole = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view line = trimmed(whole);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      section = &sections[std::string(trimmed(line.substr(1, line.find(']') - 1)))];
      continue;
    }
    const auto equals = line.find('=');
    const bool nested = whole.front() == ' ' || whole.front() == '\t';
    if (section == nullptr || nested || equals == std::string_view::npos) continue;
    (*section)[std::string(trimmed(line.substr(0, equals)))] = without_comment(line.substr(equals + 1));
  }
  return sections;
}

Result<AwsProfile> read_aws_profile(const std::string& name, const EnvironmentVariables& variables) {
  const auto credentials = file_of(variables, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  const auto config = file_of(variables, "AWS_CONFIG_FILE", "config");
  const std::string in_config = "profile " + name;
  AwsProfile profile;
  bool found = false;
  for (const auto& [file, section] : {std::pair(credentials, name), std::pair(config, in_config),
                                      std::pair(config, name == "default" ? name : in_config)}) {
    const auto text = read_text_file(file);
    if (!text.ok() && text.error().code() != ErrorCode::not_found) return text.error();
    if (!text.ok()) continue;
    auto sections = parse_aws_profiles(*text);
    const auto at = sections.find(section);
    if (at == sections.end()) continue;
    found = true;
    profile.merge(at->second);
  }
  if (found) return profile;
  return error(ErrorCode::unauthenticated, "there is no AWS profile '{}' in {} or {}", name,
               credentials.string(), config.string());
}

}  // namespace rekindle
