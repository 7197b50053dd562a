#include "vault/point.h"

#include <algorithm>

#include "vault/wire.h"

namespace rekindle {

namespace {

void write_root(WireWriter& out, const Ref& root) {
  out.number(static_cast<std::uint8_t>(root.is_hole() ? 0 : 1));
  out.bytes(root.id);
  out.bytes(root.place.pack);
  out.number(root.place.offset);
  out.number(root.place.length);
}

// Nothing: a root that exists and is a hole, or the reverse. Taken for either, it could hide content.
std::optional<Ref> read_root(WireReader& in) {
  Ref root;
  const bool exists = in.number<std::uint8_t>() != 0;
  root.id = in.array<32>();
  root.place.pack = in.array<16>();
  root.place.offset = in.number<std::uint32_t>();
  root.place.length = in.number<std::uint32_t>();
  if (exists == root.is_hole()) return std::nullopt;
  return exists ? root : Ref{};
}

}  // namespace

Result<PointDisk> find_disk(const VaultPoint& point, const DiskId& disk) {
  const auto found = std::ranges::find(point.disks, disk, &PointDisk::id);
  if (found != point.disks.end()) return *found;
  std::string known;
  for (const PointDisk& each : point.disks) known += (known.empty() ? "" : ", ") + each.id.str();
  return error(ErrorCode::not_found, "recovery point {} has no disk {}: it has {}", point.id, disk,
               known.empty() ? "none" : known);
}

bool same_content(const VaultPoint& a, const VaultPoint& b) {
  const auto same_disk = [](const PointDisk& x, const PointDisk& y) {
    return x.id == y.id && x.size_bytes == y.size_bytes && x.root.id == y.root.id;
  };
  return a.id == b.id && a.machine == b.machine && std::ranges::equal(a.disks, b.disks, same_disk);
}

Bytes encode_point(const VaultPoint& point) {
  WireWriter out;
  out.text(point.id.str());
  out.text(point.machine.str());
  out.number(static_cast<std::uint64_t>(point.time.time_since_epoch().count()));
  out.text(point.parent.str());
  out.number(static_cast<std::uint32_t>(point.disks.size()));
  for (const PointDisk& disk : point.disks) {
    out.text(disk.id.str());
    out.number(disk.size_bytes);
    write_root(out, disk.root);
  }
  out.text(point.metadata);
  const PointStats& stats = point.stats;
  for (const std::uint64_t value : {stats.bytes_read, stats.bytes_new_stored, stats.chunks_new,
                                    stats.chunks_deduplicated, stats.chunks_unchanged, stats.chunks_zero}) {
    out.number(value);
  }
  return out.take();
}

Result<VaultPoint> decode_point(ByteView bytes) {
  WireReader in(bytes);
  VaultPoint point;
  point.id = RecoveryPointId(in.text());
  point.machine = MachineId(in.text());
  point.time = Time(std::chrono::milliseconds(static_cast<std::int64_t>(in.number<std::uint64_t>())));
  point.parent = RecoveryPointId(in.text());
  const auto disks = in.number<std::uint32_t>();
  if (in.fits(disks, 4 + 8 + 1 + 32 + 16 + 8)) point.disks.resize(disks);
  bool sound = true;
  for (PointDisk& disk : point.disks) {
    disk.id = DiskId(in.text());
    disk.size_bytes = in.number<std::uint64_t>();
    const auto root = read_root(in);
    sound = sound && root && disk.size_bytes <= largest_disk_bytes;
    disk.root = root.value_or(Ref{});
  }
  point.metadata = in.text();
  PointStats& stats = point.stats;
  for (std::uint64_t* value : {&stats.bytes_read, &stats.bytes_new_stored, &stats.chunks_new,
                               &stats.chunks_deduplicated, &stats.chunks_unchanged, &stats.chunks_zero}) {
    *value = in.number<std::uint64_t>();
  }
  if (!sound || !in.complete()) return error(ErrorCode::corrupt, "a recovery point does not parse");
  return point;
}

}  // namespace rekindle
