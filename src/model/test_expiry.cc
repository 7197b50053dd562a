#include "model/test_expiry.h"

#include <charconv>
#include <optional>

namespace rekindle {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr minutes longest = days(366);

std::optional<minutes> unit_of(char letter) {
  if (letter == 'm') return minutes(1);
  if (letter == 'h') return hours(1);
  if (letter == 'd') return days(1);
  return std::nullopt;
}

std::optional<minutes> parse(std::string_view text) {
  if (text == "never") return minutes(0);
  if (text.size() < 2) return std::nullopt;
  const auto unit = unit_of(text.back());
  const char* const end = text.data() + text.size() - 1;
  int number = 0;
  const auto parsed = std::from_chars(text.data(), end, number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end && number > 0;
  if (!unit || !is_number || number > longest / *unit) return std::nullopt;
  return number * *unit;
}

}  // namespace

Result<minutes> parse_test_expiry(std::string_view text) {
  const auto parsed = parse(text);
  if (parsed) return *parsed;
  return error(ErrorCode::invalid_argument,
               "'{}' says not when a test expires; write 90m, 8h, 3d (at most 366d), or never", text);
}

std::string test_expiry_text(minutes after) {
  if (after == minutes(0)) return "never";
  if (after % days(1) == minutes(0)) return fmt::format("{}d", after / days(1));
  if (after % hours(1) == minutes(0)) return fmt::format("{}h", after / hours(1));
  return fmt::format("{}m", after.count());
}

}  // namespace rekindle
