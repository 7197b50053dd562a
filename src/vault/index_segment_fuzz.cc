// An index segment by somebody who has the keys. The first byte chooses: the others are what stands behind
// its header; or, with a length of the page (u16) before them, the plain bytes of a page and of a footer.
#include <optional>

#include "store/memory_store.h"
#include "vault/index_segment.h"
#include "vault/sealed_for_tests.h"

namespace rekindle {
namespace {

struct Segment {
  SeededRandom random{1};
  MemoryStore store;
  VaultKeys keys{AeadKey{}};
  std::string name = "index/fuzzed";
  ObjectCipher cipher = ObjectCipher::make(keys, ObjectKind::index, name, random);

  Segment() { CHECK(store.put(name, {}).ok()); }
};

Bytes object_of(const Segment& segment, bool sealed, ByteView bytes) {
  WireReader in(bytes);
  if (!sealed) {
    WireWriter out;
    out.bytes(segment.cipher.header());
    out.bytes(bytes);
    return out.take();
  }
  const ByteView page = in.bytes(std::min<std::size_t>(in.number<std::uint16_t>(), bytes.size() - 2));
  const ByteView footer = bytes.subspan(2 + page.size());
  return with_trailer<std::uint64_t>(segment.cipher,
                                     segment.cipher.sealed(Section::index_page, header_bytes, page),
                                     segment.cipher.sealed(Section::index_footer, 0, footer), "RKINDEXD");
}

void use(IndexSegment& segment) {
  for (std::size_t number = 0; number < segment.page_count(); ++number) {
    const auto page = segment.page(number);
    CHECK(page.ok() || page.error().code() == ErrorCode::corrupt);
    for (const IndexEntry& entry : page.ok() ? *page : std::vector<IndexEntry>{}) {
      const auto found = segment.find_all(entry.id);
      CHECK(found.ok() || found.error().code() == ErrorCode::corrupt);
    }
  }
  const auto found = segment.find(ContentId{std::byte{1}});
  CHECK(found.ok() || found.error().code() == ErrorCode::corrupt);
}

void feed(ByteView bytes) {
  static Segment segment;
  if (bytes.size() < 3) return;
  const bool sealed = (bytes[0] & std::byte{1}) != std::byte{0};
  segment.store.replace(segment.name, object_of(segment, sealed, bytes.subspan(1)));
  IndexPageCache cache(4);
  const auto opened = IndexSegment::open(segment.store, segment.keys, cache, segment.name);
  CHECK(opened.ok() || opened.error().code() == ErrorCode::corrupt);
  if (opened.ok()) use(**opened);
}

}  // namespace
}  // namespace rekindle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rekindle::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
