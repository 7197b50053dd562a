#include "crypto/aead.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/password_key.h"

namespace rekindle {
namespace {

template <typename Array>
Array array_of(std::string_view hex) {
  Array array{};
  const Bytes bytes = from_hex(hex).value();
  CHECK(bytes.size() == array.size());
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
TEST(Aead, MatchesThePublishedVector) {
  const auto key = array_of<AeadKey>("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const auto nonce = array_of<AeadNonce>("cafebabefacedbaddecaf888");
  const Bytes associated = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2").value();
  const Bytes plain =
      from_hex(
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
          "b16aedf5aa0de657ba637b39")
          .value();
  Bytes sealed(plain.size() + aead_tag_bytes);
  aead_seal(key, nonce, associated, plain, sealed);
  EXPECT_EQ(to_hex(sealed),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
            "c5f61e6393ba7a0a"
            "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
}

TEST(Aead, RefusesEveryFlippedBitAndEveryOtherContext) {
  SeededRandom random(5);
  AeadKey key{};
  random.fill(key);
  const AeadNonce nonce{};
  const Bytes plain = random.bytes(40);
  Bytes sealed(plain.size() + aead_tag_bytes);
  aead_seal(key, nonce, as_bytes("data/1"), plain, sealed);
  Bytes opened(plain.size());
  ASSERT_TRUE(aead_open(key, nonce, as_bytes("data/1"), sealed, opened).ok());
  EXPECT_EQ(opened, plain);

  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes damaged = sealed;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_EQ(aead_open(key, nonce, as_bytes("data/1"), damaged, opened).error().code(), ErrorCode::corrupt);
  }
  EXPECT_FALSE(aead_open(key, nonce, as_bytes("data/2"), sealed, opened).ok());
  AeadNonce other_nonce{};
  other_nonce[0] = std::byte{1};
  EXPECT_FALSE(aead_open(key, other_nonce, as_bytes("data/1"), sealed, opened).ok());
  EXPECT_EQ(aead_open(key, nonce, {}, ByteView(sealed).first(15), {}).error().code(), ErrorCode::corrupt);
}

TEST(Aead, SealsInPlaceAndSealsNothing) {
  AeadKey key{};
  const AeadNonce nonce{};
  Bytes buffer(10 + aead_tag_bytes, std::byte{7});
  aead_seal(key, nonce, {}, ByteView(buffer).first(10), buffer);
  ASSERT_TRUE(aead_open(key, nonce, {}, buffer, ByteSpan(buffer).first(10)).ok());
  EXPECT_EQ(Bytes(buffer.begin(), buffer.begin() + 10), Bytes(10, std::byte{7}));
  Bytes tag(aead_tag_bytes);
  aead_seal(key, nonce, as_bytes("x"), {}, tag);
  EXPECT_TRUE(aead_open(key, nonce, as_bytes("x"), tag, {}).ok());
}

TEST(PasswordKey, DependsOnPasswordSaltAndCostAndNothingElse) {
  const PasswordCost cost{.passes = 1, .memory_kib = 64};
  const PasswordSalt salt{};
  const AeadKey key = key_from_password("correct horse", salt, cost).value();
  EXPECT_EQ(key_from_password("correct horse", salt, cost).value(), key);
  EXPECT_NE(key_from_password("correct horsf", salt, cost).value(), key);
  EXPECT_NE(key_from_password("correct horse", salt, {.passes = 2, .memory_kib = 64}).value(), key);
  PasswordSalt other = salt;
  other[15] = std::byte{1};
  EXPECT_NE(key_from_password("correct horse", other, cost).value(), key);
}

TEST(PasswordKey, RefusesACostThatAStoredObjectCouldUseToExhaustUs) {
  for (const PasswordCost& cost : {PasswordCost{0, 64}, {65, 64}, {1, 7}, {1, UINT32_MAX}}) {
    EXPECT_EQ(key_from_password("p", {}, cost).error().code(), ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace rekindle
