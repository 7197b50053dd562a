#include "vault/pack_list.h"

namespace rekindle {

namespace {

const char* folder_of(PackMark mark) {
  return mark == PackMark::doomed ? "doomed/" : "damaged/";
}

}  // namespace

Result<std::vector<ListedPack>> list_packs(ObjectStore& store) {
  std::vector<ListedPack> packs;
  for (const char* prefix : {"data/", "tree/"}) {
    const auto listed = TRY(store.list(prefix), "listing the vault's packs");
    for (const ObjectInfo& object : listed) {
      ListedPack pack{.size_bytes = object.size_bytes, .put_at = object.put_at};
      if (parse_pack_object_name(object.name, pack.kind, pack.name)) packs.push_back(pack);
    }
  }
  return packs;
}

std::string mark_name(PackMark mark, const PackName& pack) {
  return folder_of(mark) + to_hex(pack);
}

Result<PackMarks> list_marks(ObjectStore& store, PackMark mark) {
  PackMarks marks;
  const std::string folder = folder_of(mark);
  const auto listed = TRY(store.list(folder), "listing the vault's marks");
  for (const ObjectInfo& object : listed) {
    const auto bytes = from_hex(std::string_view(object.name).substr(folder.size()));
    PackName pack{};
    if (!bytes.ok() || bytes->size() != pack.size()) continue;
    std::copy(bytes->begin(), bytes->end(), pack.begin());
    marks.emplace(pack, object.put_at);
  }
  return marks;
}

Result<> put_mark(ObjectStore& store, PackMark mark, const PackName& pack) {
  Result<> put = store.put(mark_name(mark, pack), {});
  if (!put.ok() && put.error().code() == ErrorCode::already_exists) return {};
  return put;
}

Result<Time> store_time(ObjectStore& store, Random& random) {
  const std::string name = "beacons/" + random.hex(16);
  TRY(store.put(name, {}), "asking the store for its time");
  const auto listed = TRY(store.list(name), "asking the store for its time");
  const Result<> removed = store.remove(name);
  // On a store with retention locks it stays until a collection finds it unlocked.
  if (!removed.ok() && removed.error().code() != ErrorCode::permission_denied) return removed.error();
  if (listed.empty()) {
    return error(ErrorCode::unavailable, "the store does not list {} that was put just now", name);
  }
  return listed.front().put_at;
}

}  // namespace rekindle
