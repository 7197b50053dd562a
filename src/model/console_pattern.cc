// By libstdc++'s breadth-first search (__polynomial), which follows all ways through a line at once. The
// default tries them one after the other, by recursion: a console, which a guest writes, could overflow the
// stack, and a pattern like (a+)+b hold a failover up for ever.
#include "model/console_pattern.h"

#include <algorithm>
#include <regex>

namespace rekindle {

struct ConsolePattern::Compiled {
  std::regex pattern;
};

namespace {

// The next line, without its end; takes it off `console`.
std::string_view take_line(std::string_view& console) {
  const auto end = std::min(console.find('\n'), console.size());
  std::string_view line = console.substr(0, end);
  console.remove_prefix(std::min(end + 1, console.size()));
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

Result<bool> found_in(std::string_view line, const std::regex& pattern) {
  try {
    return std::regex_search(line.begin(), line.end(), pattern);
  } catch (const std::regex_error& failure) {
    return error(ErrorCode::exhausted, "searching a line of the console: {}", failure.what());
  }
}

Result<std::regex> compile(std::string_view text) {
  try {
    return std::regex(text.begin(), text.end(), std::regex::ECMAScript | std::regex_constants::__polynomial);
  } catch (const std::regex_error& failure) {
    return error(ErrorCode::invalid_argument,
                 "'{}' is not a regular expression ({}); put a backslash before characters that mean "
                 "themselves: console:\\[ +OK +\\]",
                 text, failure.what());
  }
}

}  // namespace

Result<ConsolePattern> ConsolePattern::parse(std::string_view text) {
  if (text.size() > longest_pattern) {
    return error(ErrorCode::invalid_argument, "it has {} characters; {} are enough", text.size(),
                 longest_pattern);
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->pattern = TRY(compile(text));
  const bool is_anywhere = TRY(found_in("", compiled->pattern));
  if (is_anywhere) {
    return error(ErrorCode::invalid_argument,
                 "'{}' is found in an empty line, too; write what the console must say", text);
  }
  return ConsolePattern(std::string(text), std::move(compiled));
}

Result<bool> ConsolePattern::is_in(std::string_view console) const {
  while (!console.empty()) {
    const std::string_view line = take_line(console).substr(0, longest_line);
    if (line.find(text_) != std::string_view::npos) return true;
    if (!compiled_) continue;
    const bool found = TRY(found_in(line, compiled_->pattern));
    if (found) return true;
  }
  return false;
}

}  // namespace rekindle
