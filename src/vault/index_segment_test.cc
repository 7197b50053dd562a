#include "vault/index_segment.h"

#include "vault/index_segment_writer.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

class IndexSegmentTest : public testing::Test {
 protected:
  IndexEntry entry(std::uint64_t number) {
    IndexEntry made;
    made.id = keys.chunk_id(as_bytes(std::to_string(number)));
    made.kind = number % 3 == 0 ? ObjectKind::tree : ObjectKind::data;
    made.place.pack[0] = static_cast<std::byte>(number % 6);  // the kind is the pack's
    made.place.offset = static_cast<std::uint32_t>(number);
    made.place.length = static_cast<std::uint32_t>(number + 1);
    made.place.slot = static_cast<std::uint8_t>(number % 4);
    return made;
  }
  std::shared_ptr<IndexSegment> put(std::uint64_t count) {
    std::vector<IndexEntry> entries;
    for (std::uint64_t i = 0; i < count; ++i) entries.push_back(entry(i));
    const auto segment = put_index_segment(store, keys, random, entries).value();
    return IndexSegment::open(store, keys, cache, segment.name).value();
  }

  VaultKeys keys{AeadKey{}};
  SystemRandom random;
  MemoryStore store;
  IndexPageCache cache{3};
};

TEST_F(IndexSegmentTest, FindsEveryEntryAndNothingElse) {
  for (const std::uint64_t count : {1U, 255U, 256U, 257U, 5000U}) {
    const auto segment = put(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto found = segment->find(entry(i).id).value();
      ASSERT_TRUE(found.has_value()) << i << " of " << count;
      EXPECT_EQ(found->place, entry(i).place);
      EXPECT_EQ(found->kind, entry(i).kind);
    }
    for (std::uint64_t i = count; i < count + 2000; ++i)
      ASSERT_FALSE(segment->find(entry(i).id).value().has_value());
  }
}

TEST_F(IndexSegmentTest, AsksTheStoreForAlmostNothingThatIsNotThere) {
  const auto segment = put(5000);
  const auto name = store.list("index/").value().at(0).name;
  ASSERT_TRUE(store.remove(name).ok());  // so that every read of a page fails
  int reads = 0;
  for (std::uint64_t i = 5000; i < 15000; ++i) reads += segment->find(entry(i).id).ok() ? 0 : 1;
  EXPECT_LT(reads, 200);  // the Bloom filter's 0.8 %
}

TEST_F(IndexSegmentTest, DoesNotFindWhatLiesInPacksThatAreGone) {
  const auto segment = put(100);
  segment->keep_alive_only({entry(1).place.pack});
  EXPECT_TRUE(segment->find(entry(1).id).value().has_value());
  EXPECT_TRUE(segment->find(entry(7).id).value().has_value());
  EXPECT_FALSE(segment->find(entry(2).id).value().has_value());
}

TEST_F(IndexSegmentTest, NeedsLittleMemoryPerEntry) {
  constexpr std::uint64_t count = 100000;
  const auto segment = put(count);
  // 16.9 M entries a TiB at 64 MiB a TiB are 3.97 bytes an entry; the filter has 2 of them.
  EXPECT_LT(static_cast<double>(segment->memory_bytes()) / count, 2.2);
}

}  // namespace
}  // namespace rekindle
