// The log: to stderr, one line an event. Errors are returned or logged, never both.
// Level by REKINDLE_LOG=debug|info|warn|error|off, default warn.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace rekindle::log {

enum class Level { debug, info, warn, error };

bool enabled(Level level);
void write(Level level, std::string_view line);
// Overrides the environment, e.g. for --verbose.
void set_level(Level level);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace rekindle::log
