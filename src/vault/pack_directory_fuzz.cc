// The first byte chooses: the others are what a pack holds behind its header, or the plain bytes of a
// directory that somebody with the keys sealed. Then all that the directory names is read.
#include "store/memory_store.h"
#include "vault/pack_reader.h"
#include "vault/sealed_for_tests.h"

namespace rekindle {
namespace {

struct Pack {
  SeededRandom random{1};
  MemoryStore store;
  VaultKeys keys{AeadKey{}};
  PackName name{};
  std::string object = pack_object_name(ObjectKind::data, name);
  ObjectCipher cipher = ObjectCipher::make(keys, ObjectKind::data, object, random);

  Pack() { CHECK(store.put(object, {}).ok()); }
};

Bytes object_of(const Pack& pack, bool sealed, ByteView bytes) {
  if (sealed) {
    return with_trailer<std::uint32_t>(pack.cipher, Bytes(300),
                                       pack.cipher.sealed(Section::directory, 0, bytes), "RKPACKED");
  }
  WireWriter out;
  out.bytes(pack.cipher.header());
  out.bytes(bytes);
  return out.take();
}

void feed(ByteView bytes) {
  static Pack pack;
  if (bytes.empty()) return;
  pack.store.replace(pack.object,
                     object_of(pack, (bytes[0] & std::byte{1}) != std::byte{0}, bytes.subspan(1)));
  PackReader reader(pack.store, pack.keys);
  const auto frames = reader.directory(ObjectKind::data, pack.name);
  if (!frames.ok()) {
    CHECK(frames.error().code() == ErrorCode::corrupt);
    return;
  }
  for (const PackFrame& frame : *frames) {
    const Place place{pack.name, frame.offset, frame.length, 0};
    const auto payload = reader.frame(ObjectKind::data, place);
    CHECK(!payload.ok() && payload.error().code() == ErrorCode::corrupt);
  }
}

}  // namespace
}  // namespace rekindle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rekindle::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
