// What the health check "console:PATTERN" looks for: a regular expression, ECMAScript's without
// back-references, that is found in a line.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

class ConsolePattern {
 public:
  static constexpr std::string_view prefix = "console:";
  static constexpr std::size_t longest_pattern = 500;
  static constexpr std::size_t longest_line = 1024;  // what comes after is not looked at

  // `invalid_argument` says what is wrong with it; also of one that is found in an empty line.
  static Result<ConsolePattern> parse(std::string_view text);

  // Only the text itself: what plans of earlier versions mean, also where it is no pattern.
  static ConsolePattern plain(std::string_view text) { return {std::string(text), nullptr}; }

  // Whether a line of the console has it, or has its text as it stands: "[  OK  ] Reached target" finds
  // itself, whatever it means as a pattern.
  Result<bool> is_in(std::string_view console) const;

 private:
  struct Compiled;
  ConsolePattern(std::string text, std::shared_ptr<const Compiled> compiled)
      : text_(std::move(text)), compiled_(std::move(compiled)) {}

  std::string text_;
  std::shared_ptr<const Compiled> compiled_;  // none: plain
};

}  // namespace rekindle
