#include "vault/format.h"

#include <algorithm>

namespace rekindle {

std::string pack_object_name(ObjectKind kind, const PackName& pack) {
  CHECK(kind == ObjectKind::data || kind == ObjectKind::tree);
  const std::string hex = to_hex(pack);
  return fmt::format("{}/{}/{}", kind == ObjectKind::data ? "data" : "tree", hex.substr(0, 2), hex);
}

bool parse_pack_object_name(std::string_view name, ObjectKind& kind, PackName& pack) {
  if (name.size() != 5 + 3 + 32) return false;
  auto bytes = from_hex(name.substr(8));
  if (!bytes.ok() || bytes->size() != pack.size()) return false;
  kind = name.starts_with("data/") ? ObjectKind::data : ObjectKind::tree;
  std::copy(bytes->begin(), bytes->end(), pack.begin());
  return pack_object_name(kind, pack) == name;
}

Error damaged(std::string_view object_name, std::string_view detail) {
  return error(ErrorCode::corrupt,
               "vault object {} is damaged ({}): check the disk or bucket that holds the vault, run a check "
               "of the vault to "
               "see which recovery points need this object, and restore it from a copy of the vault or use "
               "another point",
               object_name, detail);
}

}  // namespace rekindle
