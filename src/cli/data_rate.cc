#include "cli/data_rate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace rekindle {

namespace {

constexpr std::array<std::pair<std::string_view, double>, 8> units = {{{"", 1},
                                                                       {"b", 1},
                                                                       {"kb", 1e3},
                                                                       {"mb", 1e6},
                                                                       {"gb", 1e9},
                                                                       {"kib", 1024},
                                                                       {"mib", 1024. * 1024},
                                                                       {"gib", 1024. * 1024 * 1024}}};
constexpr double most = 1e15;

}  // namespace

Result<std::uint64_t> parse_data_rate(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  if (plain.empty()) return 0;
  if (plain.ends_with("/s")) plain.resize(plain.size() - 2);
  double number = -1;
  const auto parsed = std::from_chars(plain.data(), plain.data() + plain.size(), number);
  const std::string_view unit(parsed.ptr, static_cast<std::size_t>(plain.data() + plain.size() - parsed.ptr));
  const auto* const known =
      std::find_if(units.begin(), units.end(), [&](const auto& entry) { return entry.first == unit; });
  const bool is_known = parsed.ec == std::errc() && known != units.end();
  if (!is_known || !(number >= 0 && number * known->second <= most)) {  // so that "nan" is none
    return error(ErrorCode::invalid_argument, "'{}' is not a rate like 50MiB/s or 800kB/s", text);
  }
  return static_cast<std::uint64_t>(number * known->second);
}

}  // namespace rekindle
