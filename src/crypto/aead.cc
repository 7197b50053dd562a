#include "crypto/aead.h"

#include <openssl/evp.h>

#include <memory>

namespace rekindle {

namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// One context a thread: making one costs more than sealing a small page.
EVP_CIPHER_CTX* begin(const AeadKey& key, const AeadNonce& nonce, ByteView associated, int encrypt) {
  thread_local const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  CHECK(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key.data()), raw(nonce.data()),
                          encrypt) == 1);
  int length = 0;
  // No associated data must not be passed on: OpenSSL takes two null pointers for the end of the text.
  if (!associated.empty()) {
    CHECK(EVP_CipherUpdate(context.get(), nullptr, &length, raw(associated.data()),
                           static_cast<int>(associated.size())) == 1);
  }
  return context.get();
}

}  // namespace

void aead_seal(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView plain,
               ByteSpan sealed) {
  CHECK(sealed.size() == plain.size() + aead_tag_bytes && plain.size() < INT32_MAX);
  EVP_CIPHER_CTX* context = begin(key, nonce, associated, 1);
  int length = 0;
  if (!plain.empty()) {
    CHECK(EVP_CipherUpdate(context, raw(sealed.data()), &length, raw(plain.data()),
                           static_cast<int>(plain.size())) == 1);
  }
  CHECK(EVP_CipherFinal_ex(context, raw(sealed.data()) + length, &length) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, static_cast<int>(aead_tag_bytes),
                            sealed.data() + plain.size()) == 1);
}

Result<> aead_open(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView sealed,
                   ByteSpan plain) {
  if (sealed.size() < aead_tag_bytes || sealed.size() > INT32_MAX) {
    return error(ErrorCode::corrupt, "{} bytes cannot be a sealed text", sealed.size());
  }
  CHECK(plain.size() == sealed.size() - aead_tag_bytes);
  std::array<std::byte, aead_tag_bytes> tag{};
  std::copy(sealed.end() - aead_tag_bytes, sealed.end(), tag.begin());
  EVP_CIPHER_CTX* context = begin(key, nonce, associated, 0);
  int length = 0;
  if (!plain.empty()) {
    CHECK(EVP_CipherUpdate(context, raw(plain.data()), &length, raw(sealed.data()),
                           static_cast<int>(plain.size())) == 1);
  }
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
  std::byte nothing[16];
  if (EVP_CipherFinal_ex(context, raw(nothing), &length) != 1) {
    return error(ErrorCode::corrupt, "authentication failed: the bytes are not what was written");
  }
  return {};
}

}  // namespace rekindle
