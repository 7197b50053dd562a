// Writes what the vault's fuzzers begin with: FOLDER/<fuzzer>/<number>, cut out of a real vault.
#include <filesystem>
#include <iostream>
#include <map>

#include "base/file.h"
#include "disk/memory_disk.h"
#include "store/memory_store.h"
#include "vault/frame.h"
#include "vault/pack_reader.h"
#include "vault/tree_page.h"
#include "vault/vault.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr std::size_t most_seeds = 20;

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Fuzzers that offer a choice take it from the first byte.
  Result<> add(const std::string& fuzzer, std::optional<std::uint8_t> choice, ByteView bytes) {
    const std::size_t number = counts_[fuzzer]++;
    if (number >= most_seeds) return {};
    TRY(make_directories(folder_ / fuzzer));
    WireWriter out;
    if (choice) out.number(*choice);
    out.bytes(bytes);
    auto file = TRY(File::open(folder_ / fuzzer / std::to_string(number), File::Mode::create));
    return file.write_at(0, out.take());
  }

 private:
  const std::filesystem::path folder_;
  std::map<std::string, std::size_t> counts_;
};

class RealVault {
 public:
  explicit RealVault(Seeds& seeds) : seeds_(seeds) {}

  Result<> make();
  Result<> give_all();

 private:
  Result<> give_pack(const ListedPack& pack);
  Result<> give_segment(const std::string& name);
  Result<> give_point(const std::string& name);
  Result<> give_keys();

  Seeds& seeds_;
  SeededRandom random_{7};
  MemoryStore store_;
  const VaultSecret secret_ = VaultSecret::key(AeadKey{std::byte{1}});
  std::optional<VaultKeys> keys_;
};

Result<> RealVault::make() {
  TRY(Vault::create(store_, secret_));
  const auto vault = TRY(Vault::open(store_, secret_));
  Bytes content(3 * mib);
  random_.fill(ByteSpan(content).first(mib));
  std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(mib), mib / 2, std::byte{'a'});
  MemoryDisk disk(content);
  const NewPoint point{RecoveryPointId("p1"), MachineId("vm-1"), {}, {{DiskId("d"), disk.size()}}};
  const auto writer =
      TRY(vault->begin_point(point, {.threads = 1, .pack_bytes = 400 * kib, .frame_chunks = 2}));
  TRY(writer->copy(DiskId("d"), disk, {{0, disk.size()}}));
  TRY(writer->commit(Time{}, "{}"));
  TRY(vault->rotate_key(secret_));
  keys_.emplace(TRY(open_keys(store_, secret_)));
  return {};
}

// The directory of a pack, and each of its frames.
Result<> RealVault::give_pack(const ListedPack& pack) {
  const std::string name = pack_object_name(pack.kind, pack.name);
  const Bytes object = TRY(store_.get(name));
  const ByteView view(object);
  const auto cipher = TRY(ObjectCipher::from_header(*keys_, pack.kind, name, view));
  const auto at = load_le<std::uint32_t>(view.last(pack_trailer_bytes).data());
  const ByteView end = view.subspan(at);
  const Bytes directory = TRY(cipher.open(Section::directory, 0, end.first(end.size() - pack_trailer_bytes)));
  TRY(seeds_.add("pack_directory_fuzz", 0, end));
  TRY(seeds_.add("pack_directory_fuzz", 1, directory));
  PackReader reader(store_, *keys_);
  const auto frames = TRY(reader.directory(pack.kind, pack.name));
  for (const PackFrame& frame : frames) {
    const Bytes opened =
        TRY(cipher.open(Section::frame, frame.offset, view.subspan(frame.offset, frame.length)));
    TRY(seeds_.add("frame_fuzz", {}, opened));
    if (pack.kind != ObjectKind::tree) continue;
    const Bytes page = TRY(decode_frame(opened));
    TRY(seeds_.add("tree_page_fuzz", {}, page));
  }
  return {};
}

Result<> RealVault::give_segment(const std::string& name) {
  const Bytes object = TRY(store_.get(name));
  const ByteView view(object);
  TRY(seeds_.add("index_segment_fuzz", 0, view.subspan(header_bytes)));
  const auto cipher = TRY(ObjectCipher::from_header(*keys_, ObjectKind::index, name, view));
  const auto at = load_le<std::uint64_t>(view.last(24).data());
  // Of a vault so small: one page.
  const Bytes page =
      TRY(cipher.open(Section::index_page, header_bytes, view.first(at).subspan(header_bytes)));
  const Bytes footer = TRY(cipher.open(Section::index_footer, 0, view.first(view.size() - 24).subspan(at)));
  WireWriter both;
  both.number(static_cast<std::uint16_t>(page.size()));
  both.bytes(page);
  both.bytes(footer);
  return seeds_.add("index_segment_fuzz", 1, both.take());
}

Result<> RealVault::give_point(const std::string& name) {
  const Bytes object = TRY(store_.get(name));
  const Bytes body = TRY(open_object(*keys_, ObjectKind::point, name, object));
  return seeds_.add("point_fuzz", {}, body);
}

// See key_ring_fuzz.cc for the choices.
Result<> RealVault::give_keys() {
  const auto keys = TRY(store_.list("keys/"));
  const auto epochs = TRY(store_.list("epochs/"));
  const std::string& epoch = epochs.front().name;
  const Bytes key_object = TRY(store_.get(keys.front().name));
  const Bytes epoch_object = TRY(store_.get(epoch));
  const Bytes vault_object = TRY(store_.get("vault"));
  const Bytes before = TRY(open_object(*keys_, ObjectKind::epoch, epoch, epoch_object));
  const Bytes vault = TRY(open_object(*keys_, ObjectKind::vault, "vault", vault_object));
  TRY(seeds_.add("key_ring_fuzz", 0, key_object));
  TRY(seeds_.add("key_ring_fuzz", 1, epoch_object));
  TRY(seeds_.add("key_ring_fuzz", 2, before));
  TRY(seeds_.add("key_ring_fuzz", 3, vault_object));
  return seeds_.add("key_ring_fuzz", 4, vault);
}

Result<> RealVault::give_all() {
  const auto packs = TRY(list_packs(store_));
  for (const ListedPack& pack : packs) TRY(give_pack(pack));
  const auto segments = TRY(store_.list("index/"));
  for (const ObjectInfo& segment : segments) TRY(give_segment(segment.name));
  const auto points = TRY(store_.list("points/"));
  for (const ObjectInfo& point : points) TRY(give_point(point.name));
  return give_keys();
}

Result<> write_seeds(const std::filesystem::path& folder) {
  Seeds seeds(folder);
  RealVault vault(seeds);
  TRY(vault.make());
  return vault.give_all();
}

}  // namespace

}  // namespace rekindle

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: vault_seeds FOLDER\n";
    return 2;
  }
  const rekindle::Result<> written = rekindle::write_seeds(argv[1]);
  if (written.ok()) return 0;
  std::cerr << "vault_seeds: " << written.error().message() << '\n';
  return 1;
}
