// Any bytes as a page of a tree: `corrupt`, or a page that survives being encoded again.
#include "vault/tree_page.h"

namespace rekindle {
namespace {

bool same(const Ref& a, const Ref& b) {
  return a.id == b.id && a.place == b.place;
}

void feed(ByteView bytes) {
  static const VaultKeys keys{AeadKey{}};
  const Result<TreePage> page = decode_page(bytes);
  if (!page.ok()) {
    CHECK(page.error().code() == ErrorCode::corrupt);
    return;
  }
  const TreePage again = decode_page(encode_page(*page)).value();
  CHECK(again.level == page->level && std::ranges::equal(again.children, page->children, same));
  CHECK(page_id(keys, again) == page_id(keys, *page) && is_empty(again) == is_empty(*page));
}

}  // namespace
}  // namespace rekindle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rekindle::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
