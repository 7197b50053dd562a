// The objects that a vault is opened by. The first byte chooses which of them holds the other bytes, as they
// are or behind the right seal.
#include "store/memory_store.h"
#include "vault/key_ring.h"

namespace rekindle {
namespace {

// A vault whose key was rotated once.
struct Ring {
  SeededRandom random{1};
  MemoryStore store;
  VaultSecret secret = VaultSecret::key(AeadKey{std::byte{1}});
  MasterKeys masters;
  std::string key;
  std::string epoch;

  Ring() {
    masters = create_keys(store, secret, random).value();
    masters = rotate_key(store, masters, secret, random).value();
    key = store.list("keys/").value().front().name;
    epoch = store.list("epochs/").value().front().name;
  }

  // What is fed is put in the place of `name` for as long as it is looked at.
  void open_with(const std::string& name, Bytes object) {
    const Bytes sound = store.get(name).value();
    store.replace(name, std::move(object));
    const auto opened = open_keys(store, secret);
    const auto listed = list_keys(store);
    store.replace(name, sound);
    CHECK(listed.ok() && listed->size() == 1);
    if (opened.ok()) {
      CHECK(opened->size() <= masters.size());
      return;
    }
    const ErrorCode code = opened.error().code();
    CHECK(code == ErrorCode::corrupt || code == ErrorCode::unauthenticated ||
          code == ErrorCode::failed_precondition);
  }
};

void feed(ByteView bytes) {
  static Ring ring;
  if (bytes.empty()) return;
  const VaultKeys keys(ring.masters);
  const ByteView body = bytes.subspan(1);
  const auto choice = std::to_integer<unsigned>(bytes[0]) % 5;
  const std::string name = choice == 0 ? ring.key : choice <= 2 ? ring.epoch : "vault";
  const ObjectKind kind = choice <= 2 ? ObjectKind::epoch : ObjectKind::vault;
  const bool sealed = choice == 2 || choice == 4;
  ring.open_with(name, sealed ? sealed_object(keys, kind, name, body, ring.random) : to_bytes(body));
}

}  // namespace
}  // namespace rekindle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rekindle::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
