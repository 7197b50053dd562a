// Tries again what failed for the moment.
#pragma once

#include <mutex>

#include "base/retry.h"
#include "store/object_store.h"

namespace rekindle {

// `inner`, `clock` and `random` outlive this; `random` is used by one thread at a time, and by nobody else.
class RetryingStore final : public ObjectStore {
 public:
  RetryingStore(ObjectStore& inner, RetryPolicy policy, Clock& clock, Random& random)
      : inner_(inner), policy_(policy), clock_(clock), random_(random) {}

  // A put whose answer was lost is found done by its repetition: that is a success if the content is ours.
  Result<> put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name) override;
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override;
  Result<> remove(const std::string& name) override;
  Result<> keep_until(const std::string& name, Time until) override;

 private:
  template <typename Call>
  auto retry(Call&& call) -> decltype(call());

  ObjectStore& inner_;
  const RetryPolicy policy_;
  Clock& clock_;
  std::mutex random_mutex_;
  Random& random_;
};

}  // namespace rekindle
