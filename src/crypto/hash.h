// SHA-256 and HMAC-SHA-256, by OpenSSL.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/sha256_lanes.h"

namespace rekindle {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(ByteView bytes);
// Of messages of one length, a multiple of 64 bytes: the same, in little more than half the time for four
// where the processor can (sha256_lanes.h). As many `digests` as messages.
void sha256_many(std::span<const ByteView> messages, std::span<Sha256> digests);
Sha256 hmac_sha256(ByteView key, ByteView bytes);

// HMAC-SHA-256 under one key: what depends on the key alone is done once. Any number of threads; copies
// share.
class HmacKey {
 public:
  explicit HmacKey(ByteView key);
  Sha256 operator()(ByteView bytes) const;
  // Of messages of one length, a multiple of 64 bytes: the same, faster where the processor can
  // (sha256_lanes.h). As many `macs` as messages.
  void many(std::span<const ByteView> messages, std::span<Sha256> macs) const;

 private:
  void lanes(std::span<const ByteView> messages, std::span<Sha256> macs) const;

  std::shared_ptr<const void> inner_;  // EVP_MD_CTX that has digested the padded key
  std::shared_ptr<const void> outer_;
  Sha256State inner_state_{};  // the same, for lanes
  Sha256State outer_state_{};
};

// SHA-256 of what is fed to it piece by piece.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  void update(ByteView bytes);
  Sha256 finish();  // once

 private:
  void* context_;  // EVP_MD_CTX
};

}  // namespace rekindle
