// Keeps to a bandwidth, so that a line that others use stays usable.
#pragma once

#include <optional>

#include "base/token_bucket.h"
#include "store/object_store.h"

namespace rekindle {

struct Bandwidth {  // 0: no limit
  std::uint64_t up_bytes_per_second = 0;
  std::uint64_t down_bytes_per_second = 0;
};

// The limits hold over all threads and over the time of a few objects: an object waits for its turn and then
// goes at the speed of the line. What is read whole is paid for afterwards, because its size is not known
// before. Names and answers are not counted. `inner` and `clock` outlive this; any number of threads.
class ThrottledStore final : public ObjectStore {
 public:
  ThrottledStore(ObjectStore& inner, const Bandwidth& limit, Clock& clock);

  Result<> put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name) override;
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override;
  Result<std::uint64_t> size(const std::string& name) override { return inner_.size(name); }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override { return inner_.list(prefix); }
  Result<> remove(const std::string& name) override { return inner_.remove(name); }
  Result<> keep_until(const std::string& name, Time until) override { return inner_.keep_until(name, until); }

 private:
  ObjectStore& inner_;
  std::optional<TokenBucket> up_;
  std::optional<TokenBucket> down_;
};

}  // namespace rekindle
