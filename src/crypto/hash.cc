#include "crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace rekindle {

namespace {
unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
}  // namespace

Sha256 sha256(ByteView bytes) {
  Sha256 digest;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), raw(digest.data()), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

Sha256 hmac_sha256(ByteView key, ByteView bytes) {
  Sha256 digest;
  unsigned length = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(bytes.data()), bytes.size(),
             raw(digest.data()), &length) != nullptr);
  CHECK(length == digest.size());
  return digest;
}

namespace {

constexpr std::size_t block_bytes = 64;  // of SHA-256

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// RFC 2104: the digest begins with the key, padded to a block and combined with `pad`.
std::shared_ptr<const void> keyed(ByteView key, std::byte pad) {
  std::array<std::byte, block_bytes> block{};
  if (key.size() > block_bytes) {
    const Sha256 shorter = sha256(key);
    std::copy(shorter.begin(), shorter.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (std::byte& byte : block) byte ^= pad;
  std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), FreeContext());
  CHECK(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  CHECK(EVP_DigestUpdate(context.get(), block.data(), block.size()) == 1);
  return context;
}

Sha256 go_on(const std::shared_ptr<const void>& begun, ByteView bytes) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  Sha256 digest;
  CHECK(EVP_MD_CTX_copy_ex(context.get(), static_cast<const EVP_MD_CTX*>(begun.get())) == 1);
  CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context.get(), raw(digest.data()), nullptr) == 1);
  return digest;
}

}  // namespace

HmacKey::HmacKey(ByteView key) : inner_(keyed(key, std::byte{0x36})), outer_(keyed(key, std::byte{0x5c})) {}

Sha256 HmacKey::operator()(ByteView bytes) const {
  return go_on(outer_, go_on(inner_, bytes));
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  CHECK(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) == 1);
}
Sha256Stream::~Sha256Stream() {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_));
}
void Sha256Stream::update(ByteView bytes) {
  CHECK(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) == 1);
}
Sha256 Sha256Stream::finish() {
  Sha256 digest;
  CHECK(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), raw(digest.data()), nullptr) == 1);
  return digest;
}

}  // namespace rekindle
