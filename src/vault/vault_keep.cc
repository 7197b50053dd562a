#include "vault/vault_keep.h"

#include "base/parallel.h"
#include "vault/content_finder.h"
#include "vault/garbage_mark.h"

namespace rekindle {

namespace {

constexpr std::size_t asking_threads = 8;  // they wait for the store

Result<> add_names(ObjectStore& store, std::string_view prefix, std::vector<std::string>& names) {
  const auto objects = TRY(store.list(prefix));
  for (const ObjectInfo& object : objects) names.push_back(object.name);
  return {};
}

Result<std::unique_ptr<Marked>> mark_listed(ObjectStore& store, const VaultKeys& keys, std::stop_token stop) {
  PackReader packs(store, keys);
  ContentFinder finder(store, keys);
  TreeReader trees(packs, keys, &finder);
  Index index(store, keys, packs, IndexUse::finding);
  TRY(index.refresh());
  return mark_live({store, keys, trees, index}, Time::max(), std::move(stop));
}

}  // namespace

std::vector<std::string> never_locked() {
  return {"beacons/", "doomed/", "damaged/", "removed/"};
}

Result<KeepReport> keep_what_points_need(ObjectStore& store, const VaultKeys& keys, Time until,
                                         std::stop_token stop) {
  std::vector<std::string> names{"vault"};
  TRY(add_names(store, "keys/", names));
  TRY(add_names(store, "epochs/", names));
  TRY(add_names(store, "points/", names));
  const auto marked = TRY(mark_listed(store, keys, stop));
  for (const ListedPack& pack : marked->packs) {
    if (marked->live.needs(pack.name)) names.push_back(pack_object_name(pack.kind, pack.name));
  }
  TRY(parallel_for(names.size(), asking_threads, stop, [&](std::size_t i) -> Result<> {
    Result<> kept = store.keep_until(names[i], until);
    const bool may_go = names[i].starts_with("points/") || names[i].starts_with("keys/");
    if (!kept.ok() && kept.error().code() == ErrorCode::not_found && may_go) return {};  // removed meanwhile
    return kept;
  }));
  return KeepReport{marked->points, names.size()};
}

}  // namespace rekindle
