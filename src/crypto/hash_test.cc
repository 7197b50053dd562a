#include "crypto/hash.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rekindle
