// Byte buffers and their text forms.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace rekindle {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using ByteSpan = std::span<std::byte>;

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;

inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}

bool all_zero(ByteView bytes);

// To the start of `to`, which has room for all; not overlapping. For what is large: std::ranges::copy() of
// spans becomes a loop over single bytes with GCC 12.
inline void copy_bytes(ByteView from, ByteSpan to) {
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

std::string to_hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view text);
// Standard alphabet, padded.
std::string to_base64(ByteView bytes);
Result<Bytes> from_base64(std::string_view text);

// Unsigned integers at a byte address, little or big endian, any alignment.
template <typename T>
  requires std::is_unsigned_v<T>
T load_le(const std::byte* from) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;)
    value = static_cast<T>((value << 7 << 1) | std::to_integer<T>(from[i]));
  return value;
}
template <typename T>
  requires std::is_unsigned_v<T>
T load_be(const std::byte* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>((value << 7 << 1) | std::to_integer<T>(from[i]));
  return value;
}
template <typename T>
  requires std::is_unsigned_v<T>
void store_le(std::byte* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
}
template <typename T>
  requires std::is_unsigned_v<T>
void store_be(std::byte* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    to[sizeof(T) - 1 - i] = static_cast<std::byte>(value >> (8 * i));
}

// "1.5 GiB", "312 KiB": for people, not for machines.
std::string human_bytes(std::uint64_t bytes);

}  // namespace rekindle
