#include "store/throttled_store.h"

#include "store/conformance_test.h"
#include "store/memory_store.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;

struct ThrottledStoreFixture {
  ObjectStore& store() { return throttled; }
  MemoryStore memory;
  SystemClock clock;
  ThrottledStore throttled{memory, {gib, gib}, clock};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Throttled, ObjectStoreConformance, ThrottledStoreFixture);

class ThrottledStoreTest : public testing::Test {
 protected:
  void put_many(ObjectStore& store, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(store.put(fmt::format("data/{}", i), Bytes(100 * kib)).ok());
    }
  }
  milliseconds elapsed() { return clock.now() - start; }

  const Time start = *from_iso8601("2026-11-22T00:00:00Z");
  MemoryStore memory;
  ManualClock clock{start};
};

TEST_F(ThrottledStoreTest, PutsAtItsRateAfterTheFirstSecond) {
  ThrottledStore store(memory, {.up_bytes_per_second = 100 * kib}, clock);
  put_many(store, 11);
  EXPECT_EQ(elapsed(), milliseconds(10000));
}

TEST_F(ThrottledStoreTest, ReadsAtTheOtherRateInWholeAndInParts) {
  ThrottledStore store(memory, {.down_bytes_per_second = 50 * kib}, clock);
  put_many(store, 3);
  EXPECT_EQ(elapsed(), milliseconds(0));
  Bytes part(50 * kib);
  ASSERT_TRUE(store.read_at("data/0", 10, part).ok());
  ASSERT_TRUE(store.get("data/1").ok());
  EXPECT_EQ(elapsed(), milliseconds(2000));
}

TEST_F(ThrottledStoreTest, DoesNotWaitWithoutALimit) {
  ThrottledStore store(memory, {}, clock);
  put_many(store, 20);
  ASSERT_TRUE(store.get("data/1").ok());
  EXPECT_EQ(elapsed(), milliseconds(0));
}

}  // namespace
}  // namespace rekindle
