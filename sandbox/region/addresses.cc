#include "sandbox/region/addresses.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

namespace rekindle::sandbox {

std::optional<std::uint32_t> parse_address(std::string_view text) {
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string address_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

std::optional<Network> Network::parse(std::string_view cidr) {
  const auto slash = cidr.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = parse_address(cidr.substr(0, slash));
  Network network;
  const std::string_view bits = cidr.substr(slash + 1);
  const auto parsed = std::from_chars(bits.data(), bits.data() + bits.size(), network.prefix_bits);
  if (!base || parsed.ec != std::errc() || parsed.ptr != bits.data() + bits.size() ||
      network.prefix_bits > 32) {
    return std::nullopt;
  }
  network.base = *base;
  if ((network.base & (network.size() - 1)) != 0) return std::nullopt;
  return network;
}

std::string Network::text() const {
  return fmt::format("{}/{}", address_text(base), prefix_bits);
}

}  // namespace rekindle::sandbox
