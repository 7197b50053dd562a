// SHA-256 and HMAC-SHA-256, by OpenSSL.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"

namespace rekindle {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(ByteView bytes);
Sha256 hmac_sha256(ByteView key, ByteView bytes);

// HMAC-SHA-256 under one key: what depends on the key alone is done once. Any number of threads; copies
// share.
class HmacKey {
 public:
  explicit HmacKey(ByteView key);
  Sha256 operator()(ByteView bytes) const;

 private:
  std::shared_ptr<const void> inner_;  // EVP_MD_CTX that has digested the padded key
  std::shared_ptr<const void> outer_;
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
