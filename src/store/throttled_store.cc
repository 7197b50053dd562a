#include "store/throttled_store.h"

namespace rekindle {

namespace {

void set_limit(std::optional<TokenBucket>& bucket, std::uint64_t bytes_per_second, Clock& clock) {
  if (bytes_per_second == 0) return;
  const auto rate = static_cast<double>(bytes_per_second);
  bucket.emplace(Rate{rate, rate}, clock);  // after a pause: the bytes of one second at once
}

void pay(std::optional<TokenBucket>& bucket, std::size_t bytes) {
  if (bucket) bucket->take_many(static_cast<double>(bytes));
}

}  // namespace

ThrottledStore::ThrottledStore(ObjectStore& inner, const Bandwidth& limit, Clock& clock) : inner_(inner) {
  set_limit(up_, limit.up_bytes_per_second, clock);
  set_limit(down_, limit.down_bytes_per_second, clock);
}

Result<> ThrottledStore::put(const std::string& name, ByteView content) {
  pay(up_, content.size());
  return inner_.put(name, content);
}

Result<Bytes> ThrottledStore::get(const std::string& name) {
  Bytes content = TRY(inner_.get(name));
  pay(down_, content.size());
  return content;
}

Result<> ThrottledStore::read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
  pay(down_, bytes.size());
  return inner_.read_at(name, offset, bytes);
}

}  // namespace rekindle
