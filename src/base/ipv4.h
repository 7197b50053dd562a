// IPv4 addresses and ranges, as text and as numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rekindle {

// "10.0.1.20", and nothing else.
std::optional<std::uint32_t> parse_ipv4(const std::string& text);
std::string ipv4_text(std::uint32_t address);

struct Ipv4Range {
  std::uint32_t network = 0;
  unsigned bits = 0;  // 1 to 31

  std::uint32_t size() const { return 1U << (32 - bits); }
};

// "10.0.1.0/24".
std::optional<Ipv4Range> parse_ipv4_range(std::string_view text);

}  // namespace rekindle
