#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "base/file.h"
#include "cli/commands.h"

namespace rekindle {

namespace {

std::string without_newline(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<std::string> ask(const std::string& prompt) {
  fmt::print(stderr, "{}: ", prompt);
  termios before{};
  ::tcgetattr(STDIN_FILENO, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &silent);
  std::string answer;
  std::getline(std::cin, answer);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  fmt::print(stderr, "\n");
  if (answer.empty()) return error(ErrorCode::invalid_argument, "nothing was typed for: {}", prompt);
  return answer;
}

}  // namespace

Result<std::string> read_secret(const std::string& file, const char* variable, const std::string& prompt) {
  if (!file.empty()) return without_newline(TRY(read_text_file(file)));
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (value != nullptr) return std::string(value);
  if (::isatty(STDIN_FILENO) == 1) return ask(prompt);
  return error(ErrorCode::invalid_argument, "no secret was given; set {} or name a file that holds it",
               variable);
}

}  // namespace rekindle
