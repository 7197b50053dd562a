// SHA-256 and HMAC-SHA-256, by OpenSSL.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"

namespace rekindle {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(ByteView bytes);
Sha256 hmac_sha256(ByteView key, ByteView bytes);

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
