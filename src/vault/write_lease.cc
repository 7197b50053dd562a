#include "vault/write_lease.h"

namespace rekindle {

namespace {

Result<> check_parent(ObjectStore& store, const std::string& object) {
  const auto size = store.size(object);
  if (size.ok()) return {};
  if (size.error().code() != ErrorCode::not_found) return size.error();
  return error(ErrorCode::failed_precondition,
               "the parent was removed while the recovery point was written: make a full backup");
}

}  // namespace

Result<> confirm_lease(ObjectStore& store, Random& random, Time begun, const PackNames& referred,
                       const std::optional<std::string>& parent_object) {
  const Time now = TRY(store_time(store, random));
  if (now - begun < lease_time) return {};
  // The marks before the packs: a pack's mark outlives it.
  const PackMarks doomed = TRY(list_marks(store, PackMark::doomed));
  const auto packs = TRY(list_packs(store));
  if (parent_object) TRY(check_parent(store, *parent_object));
  std::size_t safe = 0;
  for (const ListedPack& pack : packs) {
    if (referred.contains(pack.name) && !doomed.contains(pack.name)) ++safe;
  }
  if (safe == referred.size()) return {};
  return error(
      ErrorCode::unavailable,
      "{} of the packs that this recovery point refers to were collected as garbage while it was written: "
      "run it again, what is stored is used; a grace period longer than the longest backup avoids this",
      referred.size() - safe);
}

}  // namespace rekindle
