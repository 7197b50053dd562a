#include "sandbox/region/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace rekindle::sandbox {

namespace {
constexpr std::size_t digest_bytes = 32;
const unsigned char* raw(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
}  // namespace

Bytes sha256(ByteView bytes) {
  Bytes digest(digest_bytes);
  unsigned int length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
                   EVP_sha256(), nullptr) == 1);
  CHECK(length == digest_bytes);
  return digest;
}

Bytes hmac_sha256(ByteView key, ByteView message) {
  Bytes digest(digest_bytes);
  unsigned int length = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(message), message.size(),
             reinterpret_cast<unsigned char*>(digest.data()), &length) != nullptr);
  CHECK(length == digest_bytes);
  return digest;
}

bool equal_secrets(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace rekindle::sandbox
