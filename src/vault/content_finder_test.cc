#include "vault/content_finder.h"

#include <atomic>
#include <barrier>

#include "vault/index_segment_writer.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

// Lets other threads go first, so that they come while the index is read.
class YieldingStore final : public ObjectStore {
 public:
  Result<> put(const std::string& name, ByteView content) override { return store_.put(name, content); }
  Result<Bytes> get(const std::string& name) override { return store_.get(name); }
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override {
    return store_.read_at(name, offset, bytes);
  }
  Result<std::uint64_t> size(const std::string& name) override { return store_.size(name); }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override {
    for (int i = 0; i < 2000; ++i) std::this_thread::yield();
    return store_.list(prefix);
  }
  Result<> remove(const std::string& name) override { return store_.remove(name); }

 private:
  MemoryStore store_;
};

TEST(ContentFinder, ThreadsThatMissTheSamePackAtOnceAllFindWhatWasMoved) {
  const VaultKeys keys{AeadKey{}};
  SystemRandom random;
  YieldingStore store;
  PackName gone{};
  PackName there{};
  there[0] = std::byte{1};
  ASSERT_TRUE(store.put(pack_object_name(ObjectKind::tree, there), {}).ok());
  std::vector<IndexEntry> entries;
  for (int i = 0; i < 8; ++i) {
    entries.push_back({keys.page_id(as_bytes(std::to_string(i))), ObjectKind::tree, {there, 100, 50, 0}});
  }
  ASSERT_TRUE(put_index_segment(store, keys, random, entries).ok());
  constexpr int threads = 8;
  for (int round = 0; round < 20; ++round) {
    ContentFinder finder(store, keys);
    std::barrier together(threads);
    std::atomic<int> found = 0;
    std::vector<std::jthread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        const Ref moved{entries[static_cast<std::size_t>(i)].id, {gone, 7, 50, 0}};
        together.arrive_and_wait();
        const auto attempt = [&](const Place& place) -> Result<> {
          return place.pack == there ? Result<>() : error(ErrorCode::corrupt, "another pack");
        };
        const Error missing = error(ErrorCode::corrupt, "it is missing");
        found += finder.try_elsewhere(ObjectKind::tree, moved, missing, attempt).ok() ? 1 : 0;
      });
    }
    all.clear();
    ASSERT_EQ(found, threads) << "round " << round;
  }
}

}  // namespace
}  // namespace rekindle
