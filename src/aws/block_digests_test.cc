#include "aws/block_digests.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

Sha256 digest_of(std::string_view text) {
  return sha256(as_bytes(text));
}

Sha256 digest_of_digests(std::initializer_list<std::string_view> texts) {
  Bytes all;
  for (std::string_view text : texts) {
    const Sha256 digest = digest_of(text);
    all.insert(all.end(), digest.begin(), digest.end());
  }
  return sha256(all);
}

TEST(BlockDigests, AggregateInAscendingOrderOfTheIndexAcrossGaps) {
  BlockDigests digests;
  digests.set(100000, digest_of("c"));
  digests.set(0, digest_of("a"));
  digests.set(255, digest_of("b"));
  EXPECT_EQ(digests.linear(), digest_of_digests({"a", "b", "c"}));
  EXPECT_EQ(digests.count(), 3U);
}

TEST(BlockDigests, CountABlockThatIsPutTwiceOnceWithItsLastContent) {
  BlockDigests digests;
  digests.set(7, digest_of("old"));
  digests.set(7, digest_of("new"));
  EXPECT_EQ(digests.count(), 1U);
  EXPECT_EQ(digests.linear(), digest_of_digests({"new"}));
}

TEST(BlockDigests, ListThemselvesForACheckpoint) {
  BlockDigests digests;
  digests.set(300, digest_of("b"));
  digests.set(2, digest_of("a"));
  const auto all = digests.all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].index, 2U);
  EXPECT_EQ(all[1].index, 300U);
  EXPECT_EQ(all[1].sha256, digest_of("b"));
}

TEST(BlockDigests, OfNothingIsTheDigestOfNothing) {
  EXPECT_EQ(BlockDigests().linear(), sha256({}));
}

}  // namespace
}  // namespace rekindle
