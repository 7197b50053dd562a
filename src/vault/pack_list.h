// What packs a vault has, what is marked about them, and what time its store says it is.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "store/object_store.h"
#include "vault/format.h"

namespace rekindle {

using PackNames = std::unordered_set<PackName, UniformHash>;

struct ListedPack {
  ObjectKind kind = ObjectKind::data;
  PackName name{};
  std::uint64_t size_bytes = 0;
  Time put_at;
};
// Data and tree packs; about 50 bytes each.
Result<std::vector<ListedPack>> list_packs(ObjectStore& store);

// An empty object that says something about a pack by its name. Marks are put and removed by collectors and
// repairs only.
enum class PackMark {
  doomed,   // "doomed/<32 hex>": may be deleted a grace period from now; no writer may refer to it any more
  damaged,  // "damaged/<32 hex>": parts of it cannot be read; no writer may refer to it any more
};
// By pack, with the store's time of the mark.
using PackMarks = std::unordered_map<PackName, Time, UniformHash>;
std::string mark_name(PackMark mark, const PackName& pack);
Result<PackMarks> list_marks(ObjectStore& store, PackMark mark);
// A mark that is there stays, with its time.
Result<> put_mark(ObjectStore& store, PackMark mark, const PackName& pack);

// The store's own time: that of an object "beacons/<random>" which is put, looked at and removed. All ages
// that decide about deletion are differences of such times, so that no other clock has to be right.
Result<Time> store_time(ObjectStore& store, Random& random);

}  // namespace rekindle
