// Nonsense that is sealed with the right key: whoever holds the keys can write it, and no parser may trust
// it.
#include "store/memory_store.h"
#include "vault/index_segment_writer.h"
#include "vault/sealed_for_tests.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

Bytes mutated(const Bytes& sound, Random& random) {
  Bytes bytes = sound;
  for (std::uint64_t i = 1 + random.below(3); i > 0; --i) {
    bytes[random.below(bytes.size())] =
        static_cast<std::byte>(random.below(3) == 0 ? 255 : random.below(256));
  }
  if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
  return bytes;
}

class SealedNonsense : public testing::Test {
 protected:
  MemoryStore store;
  SeededRandom random{23};
  VaultKeys keys{AeadKey{}};
};

TEST_F(SealedNonsense, InADirectoryIsRefusedOrTakenWithinItsBounds) {
  WireWriter directory;
  directory.number(std::uint32_t{3});
  for (std::uint32_t i = 0; i < 3; ++i) {
    directory.number(std::uint32_t{32 + 100 * i});
    directory.number(std::uint32_t{100});
    directory.number(static_cast<std::uint8_t>(i + 1));
    directory.bytes(random.bytes(std::size_t{32} * (i + 1)));
  }
  const Bytes sound = directory.take();
  PackName pack{};
  const std::string name = pack_object_name(ObjectKind::data, pack);
  const auto cipher = ObjectCipher::make(keys, ObjectKind::data, name, random);
  ASSERT_TRUE(store.put(name, {}).ok());
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    const Bytes plain = i == 0 ? sound : mutated(sound, random);
    const Bytes sealed = cipher.sealed(Section::directory, 0, plain);
    store.replace(name, with_trailer<std::uint32_t>(cipher, Bytes(300), sealed, "RKPACKED"));
    PackReader packs(store, keys);
    const auto frames = packs.directory(ObjectKind::data, pack);
    if (!frames.ok()) {
      EXPECT_EQ(frames.error().code(), ErrorCode::corrupt) << frames.error().message();
      continue;
    }
    ++accepted;
    std::size_t bytes = 4;
    for (const PackFrame& frame : *frames) {
      bytes += 9 + 32 * frame.ids.size();
      const auto payload = packs.frame(ObjectKind::data, {pack, frame.offset, frame.length, 0});
      EXPECT_FALSE(payload.ok());
    }
    EXPECT_EQ(bytes, plain.size());
  }
  EXPECT_GT(accepted, 100);  // other offsets and ids parse; they lead nowhere
}

TEST(PointParser, RefusesARootThatIsAHoleAndYetExistsOrTheReverse) {
  VaultPoint point;
  point.disks.push_back({DiskId("d"), mib, {}});
  point.disks[0].root.id.fill(std::byte{7});
  const Bytes sound = encode_point(point);
  ASSERT_TRUE(decode_point(sound).ok());
  // id, machine, time, parent, count; the disk's id and size; then whether there is a root, and its id
  constexpr std::size_t exists_at = 4 + 4 + 8 + 4 + 4 + (4 + 1) + 8;
  Bytes hidden = sound;
  ASSERT_EQ(hidden[exists_at], std::byte{1});
  hidden[exists_at] = std::byte{0};
  EXPECT_EQ(decode_point(hidden).error().code(), ErrorCode::corrupt);
  Bytes hollow = sound;
  std::fill_n(hollow.begin() + exists_at + 1, 32, std::byte{0});
  EXPECT_EQ(decode_point(hollow).error().code(), ErrorCode::corrupt);
}

TEST_F(SealedNonsense, APlaceThatEndsBeyond32BitsIsDamageAndNoHugeRead) {
  const PackName pack{};
  const std::string name = pack_object_name(ObjectKind::data, pack);
  const auto cipher = ObjectCipher::make(keys, ObjectKind::data, name, random);
  ASSERT_TRUE(store.put(name, cipher.header()).ok());
  PackReader packs(store, keys);
  const std::array places{Place{pack, 0xffffff00, 0x200, 0}};
  const auto read =
      packs.frames(pack, places, [](std::size_t, const auto&) { FAIL() << "nothing is there"; });
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::corrupt) << read.error().message();
}

TEST_F(SealedNonsense, InAFooterOrAPageOfTheIndexIsRefusedOrTakenWithinItsBounds) {
  std::vector<IndexEntry> entries(40);
  for (IndexEntry& entry : entries) random.fill(entry.id);
  const std::string name = put_index_segment(store, keys, random, entries).value().name;
  const Bytes object = store.get(name).value();
  const auto cipher =
      ObjectCipher::from_header(keys, ObjectKind::index, name, ByteView(object).first(header_bytes)).value();
  const std::size_t page_bytes = entries.size() * index_entry_bytes + aead_tag_bytes;
  const ByteView stored_footer = ByteView(object).subspan(header_bytes + page_bytes);
  const Bytes page =
      cipher.open(Section::index_page, header_bytes, ByteView(object).subspan(header_bytes, page_bytes))
          .value();
  const Bytes footer =
      cipher.open(Section::index_footer, 0, stored_footer.first(stored_footer.size() - 24)).value();
  int opened = 0;
  for (int i = 0; i < 5000; ++i) {
    Bytes other_page = i % 2 == 0 ? page : mutated(page, random);
    other_page.resize(page.size());
    const Bytes other_footer = i % 2 == 1 ? footer : mutated(footer, random);
    store.replace(name, with_trailer<std::uint64_t>(
                            cipher, cipher.sealed(Section::index_page, header_bytes, other_page),
                            cipher.sealed(Section::index_footer, 0, other_footer), "RKINDEXD"));
    IndexPageCache cache(4);
    const auto segment = IndexSegment::open(store, keys, cache, name);
    if (!segment.ok()) {
      EXPECT_EQ(segment.error().code(), ErrorCode::corrupt) << segment.error().message();
      continue;
    }
    ++opened;
    for (std::size_t number = 0; number < (*segment)->page_count(); ++number)
      (void)(*segment)->page(number).ok();
    for (const IndexEntry& entry : entries) {
      const auto found = (*segment)->find(entry.id);
      EXPECT_TRUE(found.ok() || found.error().code() == ErrorCode::corrupt);
      if (found.ok() && found->has_value()) {
        EXPECT_EQ((*found)->id, entry.id);
      }
    }
  }
  EXPECT_GT(opened, 2500);
}

}  // namespace
}  // namespace rekindle
