// SHA-256 for many threads: messages that arrive while another is being digested wait for it, and are then
// digested together, which takes little more than half the time (sha256_lanes.h). One that arrives alone is
// digested at once.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "crypto/hash.h"

namespace rekindle {

// Digests up to sha256_most_lanes messages of one length, a multiple of 64 bytes, together. As many `digests`
// as messages. The processor must have what sha256_lanes.h asks for.
void sha256_together(std::span<const ByteView> messages, std::span<Sha256> digests);

class GatheredSha256 {
 public:
  // Any thread. Of a multiple of 64 bytes; any other length is digested by itself.
  Sha256 operator()(ByteView message);

 private:
  struct Waiting {
    ByteView message;
    Sha256 digest{};
    bool done = false;
  };
  std::vector<Waiting*> next_together();
  void digest_next(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting*> waiting_;  // in the order of arrival; not yet taken by anyone
  std::size_t digesting_ = 0;      // threads that digest right now
};

}  // namespace rekindle
