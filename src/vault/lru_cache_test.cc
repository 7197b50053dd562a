#include "vault/lru_cache.h"

#include <gtest/gtest.h>

#include <functional>

namespace rekindle {
namespace {

using Cache = LruCache<int, const int, std::hash<int>>;

std::shared_ptr<const int> value(int number) {
  return std::make_shared<const int>(number);
}

TEST(LruCache, DropsWhatWasUsedLongestAgo) {
  Cache cache(2);
  cache.insert(1, value(1));
  cache.insert(2, value(2));
  cache.find(1);
  cache.insert(3, value(3));
  EXPECT_TRUE(cache.find(1));
  EXPECT_FALSE(cache.find(2));
  EXPECT_TRUE(cache.find(3));
}

TEST(LruCache, HoldsManyCheapValuesOrFewDearOnes) {
  Cache cache(10);
  for (int i = 0; i < 10; ++i) cache.insert(i, value(i));
  EXPECT_TRUE(cache.find(0));
  cache.insert(10, value(10), 8);  // leaves room for two: 9 and 0, which were used last
  EXPECT_TRUE(cache.find(0));
  EXPECT_TRUE(cache.find(9));
  EXPECT_FALSE(cache.find(8));
  EXPECT_TRUE(cache.find(10));
}

TEST(LruCache, HoldsOneValueThatCostsMoreThanEverything) {
  Cache cache(3);
  cache.insert(1, value(1));
  cache.insert(2, value(2), 100);
  EXPECT_TRUE(cache.find(2));
  EXPECT_FALSE(cache.find(1));
  cache.erase(2);
  cache.insert(3, value(3));
  cache.insert(4, value(4));
  EXPECT_TRUE(cache.find(3));
}

}  // namespace
}  // namespace rekindle
