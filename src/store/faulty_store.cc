#include "store/faulty_store.h"

namespace rekindle {

template <typename Call>
auto FaultyStore::perform(StoreCall kind, std::string_view name, Call&& call) -> decltype(call()) {
  const StoreFault fault = plan_(calls_++, kind, name);
  if (fault == StoreFault::dead) dead_ = true;
  // Not `unavailable`: a dead process does not try again.
  if (dead_) return error(ErrorCode::cancelled, "the store's user is dead (injected)");
  if (fault == StoreFault::lost_request) return error(ErrorCode::unavailable, "request lost (injected)");
  if (fault == StoreFault::full && kind == StoreCall::put) {
    return error(ErrorCode::exhausted, "the store is full (injected): free space, then run it again");
  }
  auto result = call();
  if (fault == StoreFault::lost_response) return error(ErrorCode::unavailable, "response lost (injected)");
  return result;
}

Result<> FaultyStore::put(const std::string& name, ByteView content) {
  return perform(StoreCall::put, name, [&] { return inner_.put(name, content); });
}

Result<Bytes> FaultyStore::get(const std::string& name) {
  return perform(StoreCall::get, name, [&] { return inner_.get(name); });
}

Result<> FaultyStore::read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
  return perform(StoreCall::read_at, name, [&] { return inner_.read_at(name, offset, bytes); });
}

Result<std::uint64_t> FaultyStore::size(const std::string& name) {
  return perform(StoreCall::size, name, [&] { return inner_.size(name); });
}

Result<std::vector<ObjectInfo>> FaultyStore::list(std::string_view prefix) {
  return perform(StoreCall::list, prefix, [&] { return inner_.list(prefix); });
}

Result<> FaultyStore::remove(const std::string& name) {
  return perform(StoreCall::remove, name, [&] { return inner_.remove(name); });
}

Result<> FaultyStore::keep_until(const std::string& name, Time until) {
  return perform(StoreCall::keep_until, name, [&] { return inner_.keep_until(name, until); });
}

}  // namespace rekindle
