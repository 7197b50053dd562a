// Says of most ids that are not in a set that they are not, in two bytes an id.
#pragma once

#include "vault/format.h"

namespace rekindle {

// Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13 (7), 1970. Ids are MACs: their
// own bytes are the hashes. The bits are part of the format (index segments).
class BloomFilter {
 public:
  BloomFilter() = default;
  // Empty, for up to so many ids. 16 bits an id: 0.05 % false answers. A lookup asks every segment of the
  // vault, so false answers add up; with 10 bits a vault of 16 TiB read more than one page for each new
  // chunk.
  explicit BloomFilter(std::uint64_t ids);
  // As it was stored. `bits` is not empty.
  BloomFilter(std::uint32_t probes, Bytes bits) : probes_(probes), bits_(std::move(bits)) {}

  void add(const ContentId& id);
  // False: certainly not added.
  bool may_have(const ContentId& id) const;
  // Begins to load what may_have() will look at first, so that many filters can be asked without waiting for
  // memory each time.
  void prefetch(const ContentId& id) const { __builtin_prefetch(&bits_[bit_of(id, 0) / 8]); }

  std::uint32_t probes() const { return probes_; }
  const Bytes& bits() const { return bits_; }

 private:
  std::uint64_t bit_of(const ContentId& id, std::uint32_t probe) const;

  std::uint32_t probes_ = 0;
  Bytes bits_;
};

}  // namespace rekindle
