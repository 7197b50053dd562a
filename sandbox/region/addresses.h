// IPv4 networks: "10.0.1.0/24".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rekindle::sandbox {

std::optional<std::uint32_t> parse_address(std::string_view text);
std::string address_text(std::uint32_t address);

struct Network {
  std::uint32_t base = 0;
  unsigned prefix_bits = 0;

  // Empty if it is not a network, or has bits beside its prefix.
  static std::optional<Network> parse(std::string_view cidr);
  std::uint64_t size() const { return 1ULL << (32 - prefix_bits); }
  bool contains(std::uint32_t address) const { return address >= base && address - base < size(); }
  bool contains(const Network& other) const {
    return other.prefix_bits >= prefix_bits && contains(other.base);
  }
  bool overlaps(const Network& other) const { return contains(other) || other.contains(*this); }
  // AWS keeps the first four and the last address of a subnet.
  bool assignable(std::uint32_t address) const {
    return contains(address) && address - base >= 4 && address - base < size() - 1;
  }
  std::string text() const;
};

}  // namespace rekindle::sandbox
