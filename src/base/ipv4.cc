#include "base/ipv4.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

namespace rekindle {

std::optional<std::uint32_t> parse_ipv4(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string ipv4_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

std::optional<Ipv4Range> parse_ipv4_range(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto network = parse_ipv4(std::string(text.substr(0, slash)));
  Ipv4Range range;
  const std::string_view bits = text.substr(slash + 1);
  const auto parsed = std::from_chars(bits.data(), bits.data() + bits.size(), range.bits);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == bits.data() + bits.size();
  if (!network || !whole || range.bits < 1 || range.bits > 31) return std::nullopt;
  range.network = *network;
  return range;
}

}  // namespace rekindle
