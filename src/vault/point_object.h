// The object of a recovery point: "points/..." while it is listed, "removed/..." for a grace period after.
#pragma once

#include "store/object_store.h"
#include "vault/point.h"

namespace rekindle {

// `not_found`; `corrupt`, naming the object.
Result<VaultPoint> read_point(ObjectStore& store, const VaultKeys& keys, const std::string& object_name);

// Puts a copy under "removed/" and then removes the listed object, so that at every instant one of the two is
// there. Collectors treat a removed point like a listed one until the copy is older than their grace period:
// what a writer has begun on top of it stays until the writer's own point protects it. `not_found`.
Result<> move_to_removed(ObjectStore& store, const VaultKeys& keys, Random& random,
                         const RecoveryPointId& id);

}  // namespace rekindle
