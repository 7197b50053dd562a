// The index of a vault that holds TiBs of unique data, without the data: builds it, or opens it and looks ids
// up. For bench/vault_scale/index.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include "bench/vault_scale/measurement.h"
#include "store/local_store.h"
#include "vault/index.h"
#include "vault/index_merge.h"
#include "vault/index_segment_writer.h"

namespace rekindle {

namespace {

constexpr std::uint64_t entries_per_tib = (std::uint64_t{1} << 24) / 128 * 129;  // chunks, and level 0 pages
constexpr std::uint64_t entries_per_pack = 512;                                  // of 64 KiB, in 32 MiB
constexpr std::uint64_t first_segment_entries = std::uint64_t{1} << 19;  // as a first backup puts them
constexpr std::uint64_t first_segments = 8;
constexpr std::uint64_t lookups = 100'000;

struct Input {
  std::string folder;
  std::uint64_t tib = 1;
};

ContentId id_of(std::uint64_t number) {
  ContentId id{};
  for (std::uint64_t word = 0; word < 4; ++word) store_le(id.data() + word * 8, scattered(word, number));
  return id;
}

PackName pack_of(std::uint64_t number) {
  PackName name{};
  store_le(name.data(), scattered(8, number / entries_per_pack));
  store_le(name.data() + 8, scattered(9, number / entries_per_pack));
  return name;
}

std::vector<IndexEntry> entries_from(std::uint64_t first, std::uint64_t end) {
  std::vector<IndexEntry> entries;
  entries.reserve(end - first);
  for (std::uint64_t number = first; number < end; ++number) {
    const auto offset = static_cast<std::uint32_t>(number % entries_per_pack * chunk_bytes);
    entries.push_back({id_of(number), ObjectKind::data, {pack_of(number), offset, chunk_bytes, 0}});
  }
  return entries;
}

// Empty files: only their names are asked for.
Result<> make_packs(const std::string& folder, std::uint64_t entries, PackNames& packs) {
  for (std::uint64_t number = 0; number < entries; number += entries_per_pack) {
    const PackName pack = pack_of(number);
    const std::filesystem::path path =
        std::filesystem::path(folder) / pack_object_name(ObjectKind::data, pack);
    std::error_code failure;
    if (number < entries_per_pack * 4096) std::filesystem::create_directories(path.parent_path(), failure);
    if (!std::ofstream(path)) return error(ErrorCode::exhausted, "cannot make {}", path.string());
    packs.insert(pack);
  }
  return {};
}

Result<Segments> open_all(ObjectStore& store, const VaultKeys& keys, IndexPageCache& cache) {
  Segments segments;
  const auto objects = TRY(store.list("index/"));
  for (const ObjectInfo& object : objects) {
    const auto segment = TRY(IndexSegment::open(store, keys, cache, object.name));
    segments.push_back(segment);
  }
  return segments;
}

// The segments of a first backup, and what a collection makes of them. Returns the entries of the largest: so
// large all others are in time.
Result<std::uint64_t> merge_once(ObjectStore& store, const VaultKeys& keys, const PackNames& packs) {
  SystemRandom random;
  for (std::uint64_t i = 0; i < first_segments; ++i) {
    auto entries = entries_from(i * first_segment_entries, (i + 1) * first_segment_entries);
    TRY(put_index_segment(store, keys, random, std::move(entries)));
  }
  IndexPageCache cache(100);
  const Segments small = TRY(open_all(store, keys, cache));
  const Moment begin = now();
  const std::uint64_t merged = TRY(merge_segments({store, keys, random, packs}, small));
  print_measurement("vault.index.merge_seconds", seconds_since(begin), "s");
  print_measurement("vault.index.merge_segments", static_cast<double>(merged), "count");
  const Segments all = TRY(open_all(store, keys, cache));
  std::unordered_map<std::string, Time> put_at;
  std::uint64_t largest = 0;
  for (const auto& segment : all) {
    put_at.emplace(segment->name(), Time());
    largest = std::max(largest, segment->entry_count());
  }
  for (const std::string& name : superseded_segments(all, packs, put_at, Time::max())) {
    TRY(store.remove(name));
  }
  return largest;
}

Result<> build(const Input& input) {
  const auto store = TRY(LocalStore::open(input.folder));
  const VaultKeys keys{AeadKey{}};
  SystemRandom random;
  const std::uint64_t all = input.tib * entries_per_tib;
  PackNames packs;
  TRY(make_packs(input.folder, all, packs));
  const std::uint64_t step = TRY(merge_once(*store, keys, packs));
  for (std::uint64_t first = first_segments * first_segment_entries; first < all; first += step) {
    TRY(put_index_segment(*store, keys, random, entries_from(first, std::min(first + step, all))));
  }
  return {};
}

// Microseconds of one find(), on average; whether it is there must be as expected.
Result<double> time_lookups(Index& index, bool there,
                            const std::function<std::uint64_t(std::uint64_t)>& number_of) {
  const Moment begin = now();
  for (std::uint64_t i = 0; i < lookups; ++i) {
    const std::uint64_t number = number_of(i);
    const auto found = TRY(index.find(id_of(number)));
    const bool right = found.has_value() == there && (!there || found->place.pack == pack_of(number));
    if (!right) return error(ErrorCode::internal, "the index gave a wrong answer about entry {}", number);
  }
  return seconds_since(begin) / lookups * 1e6;
}

Result<> look_up(Index& index, std::uint64_t entries) {
  const auto anywhere = [&](std::uint64_t i) { return scattered(20, i) % entries; };
  const auto nowhere = [&](std::uint64_t i) { return entries + i; };
  // As deduplicating a disk does: its ids lie anywhere, so that each page of ours is read for one of them.
  // Warm: few enough that their pages are still there.
  const auto again = [&](std::uint64_t i) { return scattered(21, i % 500) % entries; };
  const double hit = TRY(time_lookups(index, true, anywhere));
  print_measurement("vault.index.lookup_hit_microseconds", hit, "us");
  const double warm_hit = TRY(time_lookups(index, true, again));
  print_measurement("vault.index.lookup_hit_warm_microseconds", warm_hit, "us");
  const double miss = TRY(time_lookups(index, false, nowhere));
  print_measurement("vault.index.lookup_miss_microseconds", miss, "us");
  return {};
}

// Counts what is read, which is what a lookup costs on a store that is far away.
class CountingStore final : public ObjectStore {
 public:
  explicit CountingStore(ObjectStore& store) : store_(store) {}
  Result<> put(const std::string& name, ByteView content) override { return store_.put(name, content); }
  Result<Bytes> get(const std::string& name) override { return store_.get(name); }
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override {
    ++reads;
    return store_.read_at(name, offset, bytes);
  }
  Result<std::uint64_t> size(const std::string& name) override { return store_.size(name); }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override { return store_.list(prefix); }
  Result<> remove(const std::string& name) override { return store_.remove(name); }

  std::uint64_t reads = 0;

 private:
  ObjectStore& store_;
};

Result<> count_reads(Index& index, CountingStore& store, std::uint64_t entries) {
  const std::uint64_t before = store.reads;
  TRY(time_lookups(index, false, [&](std::uint64_t i) { return 2 * entries + i; }));
  print_measurement("vault.index.lookup_miss_reads", static_cast<double>(store.reads - before) / lookups,
                    "count");
  return {};
}

Result<> measure(const Input& input) {
  const auto local = TRY(LocalStore::open(input.folder));
  CountingStore store(*local);
  const VaultKeys keys{AeadKey{}};
  PackReader packs(store, keys);
  Index index(store, keys, packs);
  const double before = resident_mib();
  const Moment begin = now();
  TRY(index.refresh());
  print_measurement("vault.index.open_seconds", seconds_since(begin), "s");
  const double per_tib = 1.0 / static_cast<double>(input.tib);
  print_measurement("vault.index.mib_per_tib", (resident_mib() - before) * per_tib, "MiB");
  std::uint64_t held = 0;
  for (const auto& segment : index.segments()) held += segment->memory_bytes();
  print_measurement("vault.index.counted_mib_per_tib", static_cast<double>(held) / mib * per_tib, "MiB");
  print_measurement("vault.index.segments", static_cast<double>(index.segments().size()), "count");
  std::uint64_t stored = 0;
  const auto objects = TRY(store.list("index/"));
  for (const ObjectInfo& object : objects) stored += object.size_bytes;
  print_measurement("vault.index.mib_on_store_per_tib", static_cast<double>(stored) / mib * per_tib, "MiB");
  TRY(look_up(index, input.tib * entries_per_tib));
  return count_reads(index, store, input.tib * entries_per_tib);
}

int run(int argc, char** argv) {
  Input input;
  Result<> (*chosen)(const Input&) = nullptr;
  CLI::App root("The index of a large vault");
  root.require_subcommand(1);
  const std::pair<const char*, Result<> (*)(const Input&)> verbs[] = {{"build", build}, {"measure", measure}};
  for (const auto& [name, perform] : verbs) {
    CLI::App* verb = root.add_subcommand(name);
    verb->add_option("folder", input.folder)->required();
    verb->add_option("--tib", input.tib);
    verb->callback([command = perform, &chosen] { chosen = command; });
  }
  CLI11_PARSE(root, argc, argv);
  const Result<> done = chosen(input);
  if (!done.ok()) std::cerr << "vault_index_scale: " << done.error().message() << '\n';
  return done.ok() ? 0 : 1;
}

}  // namespace

}  // namespace rekindle

int main(int argc, char** argv) {
  return rekindle::run(argc, argv);
}
