// Objects in memory: the small real fake of every test.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "store/object_store.h"

namespace rekindle {

class MemoryStore final : public ObjectStore {
 public:
  // Puts beyond this sum of all sizes are refused with `exhausted`, as a full disk does.
  explicit MemoryStore(std::uint64_t capacity_bytes = UINT64_MAX) : capacity_bytes_(capacity_bytes) {}
  // Objects are put at the time of `clock`, which outlives this.
  explicit MemoryStore(Clock& clock) : clock_(clock) {}

  Result<> put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name) override;
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override;
  Result<> remove(const std::string& name) override;

  void set_capacity(std::uint64_t capacity_bytes);
  // Damage, for tests: replaces an object that exists.
  void replace(const std::string& name, Bytes content);

 private:
  using Content = std::shared_ptr<const Bytes>;  // shared, so that a reader needs the lock only to find it
  struct Object {
    Content content;
    Time put_at;
  };
  Result<Content> find(const std::string& name);

  SystemClock system_clock_;
  Clock& clock_ = system_clock_;
  std::mutex mutex_;
  std::uint64_t capacity_bytes_ = UINT64_MAX;
  std::uint64_t used_bytes_ = 0;
  std::map<std::string, Object, std::less<>> objects_;
};

}  // namespace rekindle
