// Makes an index segment entry by entry.
#pragma once

#include <unordered_map>

#include "vault/bloom_filter.h"
#include "vault/index_segment.h"

namespace rekindle {

struct PutSegment {
  std::string name;
  std::uint64_t size_bytes = 0;
};

// Holds the object, 50 bytes an entry, and no entry twice. One thread. After put() it is of no use.
class IndexSegmentWriter {
 public:
  // Gets at most `most_entries` (a bound, not a promise: more make only the filter worse). Both outlive this.
  IndexSegmentWriter(ObjectStore& store, const VaultKeys& keys, Random& random, std::uint64_t most_entries);

  // Ascending by id, then by place; an entry that is the same as the one before is left out.
  void add(const IndexEntry& entry);
  std::uint64_t entry_count() const { return entry_count_; }
  Result<PutSegment> put();

 private:
  void append(ByteView bytes) { object_.insert(object_.end(), bytes.begin(), bytes.end()); }
  void seal_page();
  std::uint32_t pack_number(const IndexEntry& entry);
  Bytes encode_footer() const;

  ObjectStore& store_;
  const ObjectCipher cipher_;
  Bytes object_;
  Bytes page_;
  std::uint64_t entry_count_ = 0;
  IndexEntry last_;
  std::unordered_map<PackName, std::uint32_t, UniformHash> pack_numbers_;
  std::vector<std::pair<PackName, ObjectKind>> packs_;  // in order of appearance
  Bytes fences_;
  BloomFilter filter_;
};

// A new segment with these entries in any order, put under a new name. Of several entries with one id all are
// kept: of content that lies in several packs any may be the last.
Result<PutSegment> put_index_segment(ObjectStore& store, const VaultKeys& keys, Random& random,
                                     std::vector<IndexEntry> entries);

}  // namespace rekindle
