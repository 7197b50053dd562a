#include "sandbox/region/noise_layer.h"

#include <utility>

#include "base/random.h"
#include "sandbox/region/digest.h"
#include "sandbox/region/qcow2_layer.h"

namespace rekindle::sandbox {

namespace {

constexpr std::uint64_t cluster = Qcow2Layer::cluster_bytes;
constexpr std::uint64_t entries_per_table = Qcow2Layer::entries_per_table;
// A divisor of entries_per_table, so that tables of nothing but noise are alike.
constexpr std::uint64_t noise_clusters = 4;

Bytes noise_of(std::string_view seed) {
  SeededRandom random(load_be<std::uint64_t>(sha256(as_bytes(seed)).data()));
  return random.bytes(noise_clusters * cluster);
}

// The L2 table of the blocks from `first` to `end`, which are at most as many as it has entries.
Bytes table_of(std::uint64_t first, std::uint64_t end, const IsAbsent& absent) {
  Bytes table(cluster);
  for (std::uint64_t index = first; index < end; ++index) {
    const std::uint64_t offset = Qcow2Layer::new_content_offset + index % noise_clusters * cluster;
    if (absent(index)) store_be<std::uint64_t>(table.data() + 8 * (index - first), offset);
  }
  return table;
}

Result<> point_l1_at(File& file, std::uint64_t table, std::uint64_t offset) {
  std::byte entry[8];
  store_be<std::uint64_t>(entry, offset);
  return file.write_at(Qcow2Layer::new_l1_offset + 8 * table, entry);
}

}  // namespace

Result<> create_noise_layer(const std::filesystem::path& path, std::uint64_t size_bytes,
                            const std::string& backing_name, std::string_view seed, const IsAbsent& absent) {
  TRY(Qcow2Layer::create(path, size_bytes, backing_name));
  File file = TRY(File::open(path, File::Mode::read_write));
  TRY(file.write_at(Qcow2Layer::new_content_offset, noise_of(seed)));
  const std::uint64_t blocks = (size_bytes + cluster - 1) / cluster;
  std::uint64_t end = Qcow2Layer::new_content_offset + noise_clusters * cluster;
  Bytes written;
  for (std::uint64_t first = 0; first < blocks; first += entries_per_table) {
    Bytes table = table_of(first, std::min(first + entries_per_table, blocks), absent);
    if (all_zero(table)) continue;
    if (table != written) {
      TRY(file.write_at(end, table));
      written = std::move(table);
      end += cluster;
    }
    TRY(point_l1_at(file, first / entries_per_table, end - cluster));
  }
  return {};
}

}  // namespace rekindle::sandbox
