// A store that fails when it is told to: for drills and simulation.
#pragma once

#include <atomic>
#include <functional>

#include "store/object_store.h"

namespace rekindle {

enum class StoreFault {
  none,
  lost_request,   // not done, reported as `unavailable`
  lost_response,  // done, reported as `unavailable`
  full,           // not done, reported as `exhausted` (puts; others pass)
  dead,           // not done, and nothing is done from now on: as if the process had been killed
};

enum class StoreCall { put, get, read_at, size, list, remove, keep_until };

class FaultyStore final : public ObjectStore {
 public:
  // Asked before every call, by any thread; `number` counts the calls from 0; of a list, `name` is the
  // prefix.
  using Plan = std::function<StoreFault(std::uint64_t number, StoreCall call, std::string_view name)>;

  // `inner` outlives this.
  FaultyStore(ObjectStore& inner, Plan plan) : inner_(inner), plan_(std::move(plan)) {}

  Result<> put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name) override;
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override;
  Result<> remove(const std::string& name) override;
  Result<> keep_until(const std::string& name, Time until) override;

  std::uint64_t calls() const { return calls_; }

 private:
  template <typename Call>
  auto perform(StoreCall kind, std::string_view name, Call&& call) -> decltype(call());

  ObjectStore& inner_;
  const Plan plan_;
  std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<bool> dead_ = false;
};

}  // namespace rekindle
