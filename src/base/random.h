// Randomness comes in only through Random: the system's, or a seeded one for tests and simulation.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "base/bytes.h"

namespace rekindle {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(ByteSpan bytes) = 0;

  Bytes bytes(std::size_t count);
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // 2 * byte_count lower-case hexadecimal digits.
  std::string hex(std::size_t byte_count);
  // RFC 4122 version 4: "3f2b...-...".
  std::string uuid();
};

// The kernel's generator; fit for keys. Any thread.
class SystemRandom final : public Random {
 public:
  void fill(ByteSpan bytes) override;
};

// The same bytes from the same seed. One thread. Not for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(ByteSpan bytes) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace rekindle
