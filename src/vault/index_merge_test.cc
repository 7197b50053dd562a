#include "vault/index_merge.h"

#include "vault/index_segment_writer.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

class IndexMerge : public testing::Test {
 protected:
  static PackName pack(std::uint64_t number) {
    PackName name{};
    name[0] = static_cast<std::byte>(number);
    return name;
  }
  // Segment `number` names pack `number`.
  static IndexEntry entry(std::uint64_t number, std::uint64_t segment) {
    return {keys().chunk_id(as_bytes(std::to_string(number))),
            ObjectKind::data,
            {pack(segment), static_cast<std::uint32_t>(number), 100, 0}};
  }
  static const VaultKeys& keys() {
    static const VaultKeys all{AeadKey{}};
    return all;
  }
  std::string put(std::uint64_t segment, std::uint64_t first, std::uint64_t end) {
    std::vector<IndexEntry> entries;
    for (std::uint64_t i = first; i < end; ++i) entries.push_back(entry(i, segment));
    packs.insert(pack(segment));
    const std::string name = put_index_segment(store, keys(), random, entries).value().name;
    segments.push_back(IndexSegment::open(store, keys(), cache, name).value());
    return name;
  }
  Result<std::uint64_t> merge() { return merge_segments({store, keys(), random, packs}, segments); }
  // The one that was put last.
  std::shared_ptr<IndexSegment> merged() {
    for (const ObjectInfo& object : store.list("index/").value()) {
      const bool known =
          std::ranges::any_of(segments, [&](const auto& s) { return s->name() == object.name; });
      if (!known) return IndexSegment::open(store, keys(), cache, object.name).value();
    }
    return nullptr;
  }

  SystemRandom random;
  MemoryStore store;
  IndexPageCache cache{3};
  PackNames packs;
  Segments segments;
};

TEST_F(IndexMerge, TheResultHasEveryEntryInOrder) {
  for (std::uint64_t i = 0; i < 8; ++i) put(i, i * 600, (i + 1) * 600);
  ASSERT_EQ(merge().value(), 8U);
  const auto result = merged();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->entry_count(), 4800U);
  for (std::uint64_t i = 0; i < 4800; ++i) {
    const auto found = result->find(entry(i, 0).id).value();
    ASSERT_TRUE(found.has_value()) << i;
    EXPECT_EQ(found->place, entry(i, i / 600).place);
  }
}

TEST_F(IndexMerge, KeepsEveryPlaceOfAnIdAndEachOnce) {
  for (std::uint64_t i = 0; i < 6; ++i) put(i, 0, 600);
  put(0, 0, 600);
  put(1, 0, 600);
  ASSERT_EQ(merge().value(), 8U);
  const auto result = merged();
  EXPECT_EQ(result->entry_count(), 6 * 600U);
  EXPECT_EQ(result->find_all(entry(77, 0).id).value().size(), 6U);
}

TEST_F(IndexMerge, LeavesOutWhatLiesInPacksThatAreGone) {
  for (std::uint64_t i = 0; i < 8; ++i) put(i, i * 600, (i + 1) * 600);
  packs.erase(pack(3));
  ASSERT_EQ(merge().value(), 8U);
  EXPECT_EQ(merged()->entry_count(), 4200U);
  EXPECT_FALSE(merged()->find(entry(3 * 600, 3).id).value().has_value());
}

TEST_F(IndexMerge, LeavesADamagedSegmentAsItIsAndMergesTheOthers) {
  for (std::uint64_t i = 0; i < 8; ++i) put(i, i * 600, (i + 1) * 600);
  const std::string name = put(8, 8 * 600, 9 * 600);
  Bytes object = store.get(name).value();
  object[header_bytes + index_page_entries * index_entry_bytes + aead_tag_bytes] ^= std::byte{1};  // page 2
  ASSERT_TRUE(store.remove(name).ok());
  ASSERT_TRUE(store.put(name, object).ok());
  ASSERT_EQ(merge().value(), 8U);
  EXPECT_EQ(merged()->entry_count(), 4800U);
}

}  // namespace
}  // namespace rekindle
