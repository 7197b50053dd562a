// What every ObjectStore must do. A new implementation adds three lines:
//   struct MyStoreFixture { ObjectStore& store(); };
// A fixture that needs what is not on every machine has a `std::string why_skipped()` too; empty: it is here.
//   INSTANTIATE_TYPED_TEST_SUITE_P(MyStore, ObjectStoreConformance, MyStoreFixture);
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/random.h"
#include "store/object_store.h"

namespace rekindle {

// Name and size, for comparing.
inline std::vector<std::pair<std::string, std::uint64_t>> names_and_sizes(
    const std::vector<ObjectInfo>& infos) {
  std::vector<std::pair<std::string, std::uint64_t>> found;
  for (const ObjectInfo& info : infos) found.emplace_back(info.name, info.size_bytes);
  return found;
}

template <typename Fixture>
class ObjectStoreConformance : public testing::Test {
 protected:
  void SetUp() override {
    if constexpr (requires { fixture.why_skipped(); }) {
      if (const std::string reason = fixture.why_skipped(); !reason.empty()) GTEST_SKIP() << reason;
    }
  }
  ObjectStore& store() { return fixture.store(); }
  Fixture fixture;
};

TYPED_TEST_SUITE_P(ObjectStoreConformance);

TYPED_TEST_P(ObjectStoreConformance, GivesBackWhatWasPut) {
  SeededRandom random(1);
  for (const std::size_t size : {0U, 1U, 4096U, 300000U}) {
    const std::string name = "data/" + std::to_string(size);
    const Bytes content = random.bytes(size);
    ASSERT_TRUE(this->store().put(name, content).ok());
    EXPECT_EQ(this->store().get(name).value(), content);
    EXPECT_EQ(this->store().size(name).value(), size);
  }
}

TYPED_TEST_P(ObjectStoreConformance, ReadsRangesExactly) {
  SeededRandom random(2);
  const Bytes content = random.bytes(10000);
  ASSERT_TRUE(this->store().put("a", content).ok());
  Bytes part(100);
  ASSERT_TRUE(this->store().read_at("a", 9900, part).ok());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), content.begin() + 9900));
  EXPECT_EQ(this->store().read_at("a", 9901, part).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(this->store().read_at("a", UINT64_MAX / 4, part).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(this->store().read_at("b", 0, part).error().code(), ErrorCode::not_found);
}

TYPED_TEST_P(ObjectStoreConformance, RefusesANameThatIsTaken) {
  ASSERT_TRUE(this->store().put("points/a", as_bytes("first")).ok());
  EXPECT_EQ(this->store().put("points/a", as_bytes("second")).error().code(), ErrorCode::already_exists);
  EXPECT_EQ(as_text(this->store().get("points/a").value()), "first");
}

TYPED_TEST_P(ObjectStoreConformance, ListsByPrefixInOrder) {
  for (const char* name : {"data/b/2", "data/a/1", "data/ab", "tree/a", "data2"}) {
    ASSERT_TRUE(this->store().put(name, as_bytes("xyz")).ok());
  }
  using Infos = std::vector<std::pair<std::string, std::uint64_t>>;
  EXPECT_EQ(names_and_sizes(this->store().list("data/").value()),
            (Infos{{"data/a/1", 3}, {"data/ab", 3}, {"data/b/2", 3}}));
  EXPECT_EQ(names_and_sizes(this->store().list("data/a").value()), (Infos{{"data/a/1", 3}, {"data/ab", 3}}));
  EXPECT_EQ(this->store().list("").value().size(), 5U);
  EXPECT_TRUE(this->store().list("absent/").value().empty());
}

TYPED_TEST_P(ObjectStoreConformance, TellsWhenAnObjectWasPut) {
  SystemClock clock;
  ASSERT_TRUE(this->store().put("data/a", as_bytes("x")).ok());
  const auto listed = this->store().list("data/").value();
  ASSERT_EQ(listed.size(), 1U);
  // Stores round to seconds, and have clocks of their own.
  EXPECT_LT(listed[0].put_at, clock.now() + std::chrono::minutes(1));
  EXPECT_GT(listed[0].put_at, clock.now() - std::chrono::minutes(10));
}

TYPED_TEST_P(ObjectStoreConformance, RemovesAndDoesNotMindTheAbsent) {
  ASSERT_TRUE(this->store().put("data/a", as_bytes("x")).ok());
  EXPECT_TRUE(this->store().remove("data/a").ok());
  EXPECT_TRUE(this->store().remove("data/a").ok());
  EXPECT_EQ(this->store().get("data/a").error().code(), ErrorCode::not_found);
  EXPECT_EQ(this->store().size("data/a").error().code(), ErrorCode::not_found);
  EXPECT_TRUE(this->store().list("").value().empty());
}

TYPED_TEST_P(ObjectStoreConformance, TakesTheWishToKeepAnObject) {
  ASSERT_TRUE(this->store().put("data/a", as_bytes("x")).ok());
  EXPECT_TRUE(this->store().keep_until("data/a", SystemClock().now() + std::chrono::hours(1)).ok());
  EXPECT_EQ(as_text(this->store().get("data/a").value()), "x");
}

TYPED_TEST_P(ObjectStoreConformance, RefusesNamesThatCouldLeaveTheStore) {
  for (const char* name : {"", "../a", "/a", "a/", "a//b", "A", "a b", ".a", "\xc3\xa4"}) {
    EXPECT_EQ(this->store().put(name, as_bytes("x")).error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(this->store().get(name).error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(this->store().remove(name).error().code(), ErrorCode::invalid_argument) << name;
  }
}

TYPED_TEST_P(ObjectStoreConformance, LetsExactlyOneOfSeveralWritersHaveAName) {
  std::atomic<int> wins = 0;
  std::atomic<int> losses = 0;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 8; ++i) {
      writers.emplace_back([&, i] {
        const auto result =
            this->store().put("points/one", as_bytes(std::string(50000, static_cast<char>('a' + i))));
        result.ok() ? ++wins : ++losses;
        EXPECT_TRUE(result.ok() || result.error().code() == ErrorCode::already_exists);
      });
    }
  }
  EXPECT_EQ(wins, 1);
  EXPECT_EQ(losses, 7);
  const Bytes content = this->store().get("points/one").value();
  EXPECT_EQ(content.size(), 50000U);
  EXPECT_EQ(std::count(content.begin(), content.end(), content.front()), 50000);
}

REGISTER_TYPED_TEST_SUITE_P(ObjectStoreConformance, GivesBackWhatWasPut, ReadsRangesExactly,
                            RefusesANameThatIsTaken, ListsByPrefixInOrder, TellsWhenAnObjectWasPut,
                            RemovesAndDoesNotMindTheAbsent, TakesTheWishToKeepAnObject,
                            RefusesNamesThatCouldLeaveTheStore, LetsExactlyOneOfSeveralWritersHaveAName);

}  // namespace rekindle
