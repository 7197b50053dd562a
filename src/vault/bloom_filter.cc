#include "vault/bloom_filter.h"

namespace rekindle {

namespace {
constexpr std::uint64_t bits_per_id = 16;
constexpr std::uint32_t best_probes = 11;  // 16 ln 2
}  // namespace

BloomFilter::BloomFilter(std::uint64_t ids)
    : probes_(best_probes), bits_(std::max<std::uint64_t>(8, (ids * bits_per_id + 7) / 8)) {}

std::uint64_t BloomFilter::bit_of(const ContentId& id, std::uint32_t probe) const {
  const auto a = load_le<std::uint64_t>(id.data());
  const auto b = load_le<std::uint64_t>(id.data() + 8);
  return (a + probe * b) % (bits_.size() * 8);
}

void BloomFilter::add(const ContentId& id) {
  for (std::uint32_t probe = 0; probe < probes_; ++probe) {
    const std::uint64_t bit = bit_of(id, probe);
    bits_[bit / 8] |= static_cast<std::byte>(1U << (bit % 8));
  }
}

bool BloomFilter::may_have(const ContentId& id) const {
  for (std::uint32_t probe = 0; probe < probes_; ++probe) {
    const std::uint64_t bit = bit_of(id, probe);
    if ((std::to_integer<unsigned>(bits_[bit / 8]) >> (bit % 8) & 1U) == 0) return false;
  }
  return true;
}

}  // namespace rekindle
