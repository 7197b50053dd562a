#include "store/retrying_store.h"

namespace rekindle {

template <typename Call>
auto RetryingStore::retry(Call&& call) -> decltype(call()) {
  for (int attempt = 1;; ++attempt) {
    auto result = call();
    if (result.ok() || !result.error().transient() || attempt >= policy_.attempts) return result;
    std::chrono::milliseconds pause{};
    {
      const std::lock_guard lock(random_mutex_);
      pause = retry_pause(policy_, attempt + 1, random_);
    }
    clock_.sleep(pause);
  }
}

Result<> RetryingStore::put(const std::string& name, ByteView content) {
  bool answer_lost = false;
  Result<> result = retry([&] {
    Result<> attempt = inner_.put(name, content);
    answer_lost = answer_lost || (!attempt.ok() && attempt.error().transient());
    return attempt;
  });
  if (result.ok() || !answer_lost || result.error().code() != ErrorCode::already_exists) return result;
  const Bytes there = TRY(get(name), "checking what an earlier attempt put");
  if (std::equal(there.begin(), there.end(), content.begin(), content.end())) return {};
  return result;
}

Result<Bytes> RetryingStore::get(const std::string& name) {
  return retry([&] { return inner_.get(name); });
}

Result<> RetryingStore::read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
  return retry([&] { return inner_.read_at(name, offset, bytes); });
}

Result<std::uint64_t> RetryingStore::size(const std::string& name) {
  return retry([&] { return inner_.size(name); });
}

Result<std::vector<ObjectInfo>> RetryingStore::list(std::string_view prefix) {
  return retry([&] { return inner_.list(prefix); });
}

Result<> RetryingStore::remove(const std::string& name) {
  return retry([&] { return inner_.remove(name); });
}

Result<> RetryingStore::keep_until(const std::string& name, Time until) {
  return retry([&] { return inner_.keep_until(name, until); });
}

}  // namespace rekindle
