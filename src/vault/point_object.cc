#include "vault/point_object.h"

namespace rekindle {

Result<VaultPoint> read_point(ObjectStore& store, const VaultKeys& keys, const std::string& object_name) {
  const Bytes object = TRY(store.get(object_name));
  const Bytes body = TRY(open_object(keys, ObjectKind::point, object_name, object));
  auto point = decode_point(body);
  if (!point.ok()) return damaged(object_name, point.error().message());
  return point;
}

Result<> move_to_removed(ObjectStore& store, const VaultKeys& keys, Random& random,
                         const RecoveryPointId& id) {
  const std::string listed = keys.point_object_name(id);
  auto object = store.get(listed);
  if (!object.ok() && object.error().code() == ErrorCode::not_found) {
    return error(ErrorCode::not_found, "there is no recovery point {} in the vault", id);
  }
  if (!object.ok()) return std::move(object).error();
  const auto body = open_object(keys, ObjectKind::point, listed, *object);
  // What nobody can read protects nothing.
  if (body.ok()) {
    // A name of its own: the same id may be written and removed again within the grace period.
    const std::string removed =
        fmt::format("removed/{}-{}", listed.substr(listed.find('/') + 1), random.hex(8));
    TRY(store.put(removed, sealed_object(keys, ObjectKind::point, removed, *body, random)));
  }
  return store.remove(listed);
}

}  // namespace rekindle
