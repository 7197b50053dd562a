#include "crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto/sha256_padding.h"

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

constexpr std::size_t block_bytes = sha256_block_bytes;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// RFC 2104: the digest begins with the key, padded to a block and combined with `pad`.
using Block = Sha256Block;
Block padded(ByteView key, std::byte pad) {
  Block block{};
  if (key.size() > block_bytes) {
    const Sha256 shorter = sha256(key);
    std::copy(shorter.begin(), shorter.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (std::byte& byte : block) byte ^= pad;
  return block;
}

std::shared_ptr<const void> begun(const Block& block) {
  std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), FreeContext());
  CHECK(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  CHECK(EVP_DigestUpdate(context.get(), block.data(), block.size()) == 1);
  return context;
}

Sha256State begun_state(const Block& block) {
  Sha256State state = sha256_start;
  const std::byte* const message = block.data();
  if (sha256_lanes_work()) sha256_compress({&state, 1}, {&message, 1}, 1);
  return state;
}

Sha256 go_on(const std::shared_ptr<const void>& begun, ByteView bytes) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  Sha256 digest;
  CHECK(EVP_MD_CTX_copy_ex(context.get(), static_cast<const EVP_MD_CTX*>(begun.get())) == 1);
  CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context.get(), raw(digest.data()), nullptr) == 1);
  return digest;
}

// At most as many as there are lanes.
void sha256_lanes(std::span<const ByteView> messages, std::span<Sha256> digests) {
  const std::size_t count = messages.size();
  const std::size_t length = messages.front().size();
  std::array<Sha256State, sha256_most_lanes> states;
  states.fill(sha256_start);
  std::array<const std::byte*, sha256_most_lanes> blocks{};
  for (std::size_t i = 0; i < count; ++i) blocks[i] = messages[i].data();
  sha256_compress({states.data(), count}, {blocks.data(), count}, length / block_bytes);
  Block last;
  add_padding(last, 0, length);
  blocks.fill(last.data());
  sha256_compress({states.data(), count}, {blocks.data(), count}, 1);
  for (std::size_t i = 0; i < count; ++i) digests[i] = bytes_of(states[i]);
}

}  // namespace

void sha256_many(std::span<const ByteView> messages, std::span<Sha256> digests) {
  CHECK(messages.size() == digests.size());
  for (const ByteView& message : messages)
    CHECK(message.size() == messages.front().size() && message.size() % block_bytes == 0);
  if (!sha256_lanes_work()) {
    for (std::size_t i = 0; i < messages.size(); ++i) digests[i] = sha256(messages[i]);
    return;
  }
  for (std::size_t at = 0; at < messages.size(); at += sha256_most_lanes) {
    const std::size_t count = std::min(sha256_most_lanes, messages.size() - at);
    sha256_lanes(messages.subspan(at, count), digests.subspan(at, count));
  }
}

HmacKey::HmacKey(ByteView key)
    : inner_(begun(padded(key, std::byte{0x36}))),
      outer_(begun(padded(key, std::byte{0x5c}))),
      inner_state_(begun_state(padded(key, std::byte{0x36}))),
      outer_state_(begun_state(padded(key, std::byte{0x5c}))) {}

Sha256 HmacKey::operator()(ByteView bytes) const {
  return go_on(outer_, go_on(inner_, bytes));
}

void HmacKey::many(std::span<const ByteView> messages, std::span<Sha256> macs) const {
  CHECK(messages.size() == macs.size());
  if (!sha256_lanes_work()) {
    for (std::size_t i = 0; i < messages.size(); ++i) macs[i] = (*this)(messages[i]);
    return;
  }
  for (std::size_t at = 0; at < messages.size(); at += sha256_most_lanes) {
    const std::size_t count = std::min(sha256_most_lanes, messages.size() - at);
    lanes(messages.subspan(at, count), macs.subspan(at, count));
  }
}

void HmacKey::lanes(std::span<const ByteView> messages, std::span<Sha256> macs) const {
  const std::size_t length = messages.front().size();
  std::array<Sha256State, sha256_most_lanes> states;
  std::array<Block, sha256_most_lanes> last;
  std::array<const std::byte*, sha256_most_lanes> blocks{};
  const std::size_t count = messages.size();
  const auto digest = [&](std::size_t block_count) {
    sha256_compress({states.data(), count}, {blocks.data(), count}, block_count);
  };
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(messages[i].size() == length && length % block_bytes == 0);
    states[i] = inner_state_;
    blocks[i] = messages[i].data();
  }
  digest(length / block_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    add_padding(last[i], 0, block_bytes + length);
    blocks[i] = last[i].data();
  }
  digest(1);
  for (std::size_t i = 0; i < count; ++i) {
    const Sha256 inner = bytes_of(states[i]);
    std::copy(inner.begin(), inner.end(), last[i].begin());
    add_padding(last[i], inner.size(), block_bytes + inner.size());
    states[i] = outer_state_;
  }
  digest(1);
  for (std::size_t i = 0; i < count; ++i) macs[i] = bytes_of(states[i]);
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
