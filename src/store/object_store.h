// Where bytes rest: named objects that are put once, whole, and never change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace rekindle {

struct ObjectInfo {
  std::string name;
  std::uint64_t size_bytes = 0;
  Time put_at;  // by the store's own clock; whole seconds on some stores
};

// Any number of threads and processes may call any method. Errors common to all: `invalid_argument` (see
// check_object_name), `permission_denied`, `unavailable` (the same call may work later; it may also have been
// done: a lost answer), `exhausted` (the store is full).
//
// 1. Objects are immutable: put refuses a name that is taken.
// 2. put is atomic and durable: once it returned, the object survives a power cut; before, nobody sees any of
// it.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // `already_exists` if there is such an object, whatever its content.
  virtual Result<> put(const std::string& name, ByteView content) = 0;
  // `not_found`.
  virtual Result<Bytes> get(const std::string& name) = 0;
  // Exactly bytes.size() bytes from `offset`; `corrupt` if the object ends before, `not_found`.
  virtual Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) = 0;
  // `not_found`.
  virtual Result<std::uint64_t> size(const std::string& name) = 0;
  // All objects whose name starts with `prefix`, ascending by name; what is put or removed meanwhile may be
  // missing.
  virtual Result<std::vector<ObjectInfo>> list(std::string_view prefix) = 0;
  // Absent is fine. `permission_denied` while the object is locked.
  virtual Result<> remove(const std::string& name) = 0;
  // On a store with retention locks: nobody can remove the object before `until`. Never shortens a lock. Does
  // nothing on others. `not_found`.
  virtual Result<> keep_until(const std::string& /*name*/, Time /*until*/) { return {}; }
};

// Names are parts of lower-case letters, digits, '-' and '_', divided by '/': "data/3f/3f0c...", at most 200
// bytes. They fit every file system and need no escaping in a URL. `invalid_argument` for others.
Result<> check_object_name(std::string_view name);

}  // namespace rekindle
