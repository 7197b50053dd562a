#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

namespace rekindle {

Bytes Random::bytes(std::size_t count) {
  Bytes result(count);
  fill(result);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  CHECK(bound > 0);
  // Reject the last, incomplete run of the range, so that every value is equally likely.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = limit;
  while (value >= limit) {
    std::byte raw[8];
    fill(raw);
    value = load_le<std::uint64_t>(raw);
  }
  return value % bound;
}

std::string Random::hex(std::size_t byte_count) {
  return to_hex(bytes(byte_count));
}

std::string Random::uuid() {
  Bytes raw = bytes(16);
  raw[6] = (raw[6] & std::byte{0x0f}) | std::byte{0x40};
  raw[8] = (raw[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string text = to_hex(raw);
  for (std::size_t dash : {20U, 16U, 12U, 8U}) text.insert(dash, 1, '-');
  return text;
}

void SystemRandom::fill(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0) {
      CHECK(errno == EINTR);
      continue;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void SeededRandom::fill(ByteSpan bytes) {
  while (!bytes.empty()) {
    std::byte raw[8];
    store_le<std::uint64_t>(raw, engine_());
    const std::size_t take = std::min<std::size_t>(8, bytes.size());
    std::copy_n(raw, take, bytes.begin());
    bytes = bytes.subspan(take);
  }
}

}  // namespace rekindle
