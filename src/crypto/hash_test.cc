#include "crypto/hash.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace rekindle {
namespace {

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256Stream stream;
  stream.update(as_bytes("a"));
  stream.update(as_bytes("bc"));
  EXPECT_EQ(stream.finish(), sha256(as_bytes("abc")));
}

std::vector<Bytes> some_messages(std::size_t count, std::size_t length) {
  SeededRandom random(7);
  std::vector<Bytes> messages;
  for (std::size_t i = 0; i < count; ++i) messages.push_back(random.bytes(length));
  return messages;
}

TEST(Sha256, OfManyMessagesIsThatOfEach) {
  for (const std::size_t length : {0U, 64U, 192U, 524288U}) {
    for (std::size_t count = 0; count <= 5; ++count) {
      const std::vector<Bytes> messages = some_messages(count, length);
      const std::vector<ByteView> views(messages.begin(), messages.end());
      std::vector<Sha256> digests(count);
      sha256_many(views, digests);
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(digests[i], sha256(messages[i])) << length;
    }
  }
}

TEST(HmacSha256, MatchesRfc4231Case2) {
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(HmacKey, GivesTheSameAsAnHmacWithTheKeySetUpForEachCall) {
  for (const std::size_t key_bytes : {4U, 32U, 64U, 65U, 200U}) {
    const Bytes key(key_bytes, std::byte{9});
    const HmacKey prepared(key);
    const HmacKey copy = prepared;
    for (const std::size_t length : {0U, 1U, 64U, 65536U}) {
      const Bytes text(length, std::byte{3});
      EXPECT_EQ(prepared(text), hmac_sha256(key, text)) << key_bytes << " " << length;
      EXPECT_EQ(copy(text), prepared(text));
    }
  }
}

TEST(HmacKey, OfManyMessagesGivesTheSameAsOfEach) {
  SeededRandom random(5);
  const HmacKey key(random.bytes(32));
  for (const std::size_t length : {0U, 64U, 192U, 65536U}) {
    for (std::size_t count = 0; count <= 9; ++count) {
      const std::vector<Bytes> messages = some_messages(count, length);
      const std::vector<ByteView> views(messages.begin(), messages.end());
      std::vector<Sha256> macs(count);
      key.many(views, macs);
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(macs[i], key(messages[i])) << length << " " << count;
    }
  }
}

}  // namespace
}  // namespace rekindle
