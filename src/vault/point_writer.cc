#include "vault/point_writer.h"

#include <algorithm>

#include "base/parallel.h"
#include "vault/frame.h"
#include "vault/write_lease.h"

namespace rekindle {

namespace {

WriterOptions with_defaults(WriterOptions options) {
  if (options.threads == 0) options.threads = std::max(1U, std::thread::hardware_concurrency());
  CHECK(options.frame_chunks > 0 && frame_chunks % options.frame_chunks == 0);
  CHECK(options.pack_bytes >= 2 * options.frame_chunks * chunk_bytes);
  return options;
}

}  // namespace

struct PointWriter::Disk {
  NewDisk spec;
  TreeWriter tree;
};

// One chunk of a job on its way.
struct PointWriter::Chunk {
  enum class State { placed, claimed, pending };
  State state = State::placed;
  std::size_t slot = 0;  // in the job
  Ref ref;
};

PointWriter::PointWriter(const Services& services, NewPoint point, const std::optional<VaultPoint>& parent,
                         WriterOptions options)
    : services_(services),
      point_(std::move(point)),
      options_(with_defaults(options)),
      run_index_(services.store, services.keys, services.random, services.index),
      data_packs_(services.store, services.keys, services.random,
                  {.kind = ObjectKind::data, .pack_bytes = options_.pack_bytes, .threads = 2},
                  [this](const PackName& pack, const std::vector<PackFrame>& frames) {
                    return run_index_.pack_durable(ObjectKind::data, pack, frames);
                  }),
      tree_packs_(services.store, services.keys, services.random,
                  {.kind = ObjectKind::tree, .pack_bytes = options_.pack_bytes / 4, .threads = 1},
                  [this](const PackName& pack, const std::vector<PackFrame>& frames) {
                    return run_index_.pack_durable(ObjectKind::tree, pack, frames);
                  }),
      jobs_(2 * options_.threads) {
  const auto store = [this](const TreePage& page) { return store_page(page); };
  for (const NewDisk& disk : point_.disks) {
    Ref root;
    if (parent) {
      const auto inherited = std::ranges::find(parent->disks, disk.id, &PointDisk::id);
      if (inherited != parent->disks.end()) root = inherited->root;
    }
    // The mutex in the tree cannot be moved: the disk is made in its place.
    disks_.emplace_back(new Disk{disk, {services.trees, services.keys, disk.size_bytes, root, store}});
  }
  for (std::size_t i = 0; i < options_.threads; ++i) workers_.emplace_back([this] { work(); });
}

PointWriter::~PointWriter() {
  jobs_.abandon();
  run_index_.fail(error(ErrorCode::cancelled, "the recovery point was given up"));
}

Result<PointWriter::Disk*> PointWriter::find_disk(const DiskId& id) {
  for (const auto& disk : disks_) {
    if (disk->spec.id == id) return disk.get();
  }
  return error(ErrorCode::not_found, "recovery point {} was begun without a disk {}", point_.id, id);
}

Result<> PointWriter::check_range(const Disk& disk, Extent range) const {
  const std::uint64_t size = disk.spec.size_bytes;
  const bool inside = range.offset <= size && range.length <= size - range.offset;
  const bool aligned =
      range.offset % chunk_bytes == 0 && (range.length % chunk_bytes == 0 || range.end() == size);
  if (inside && aligned) return {};
  return error(ErrorCode::invalid_argument,
               "bytes {} to {} of disk {} are not whole chunks of {} bytes within its {} bytes", range.offset,
               range.end(), disk.spec.id, chunk_bytes, size);
}

Result<> PointWriter::write(const DiskId& id, std::uint64_t offset, ByteView bytes) {
  Disk* disk = TRY(find_disk(id));
  TRY(check_range(*disk, {offset, bytes.size()}));
  while (!bytes.empty()) {
    // Cut at multiples of a frame, so that the same content makes the same frames.
    const std::uint64_t step = std::min<std::uint64_t>(frame_bytes_ - offset % frame_bytes_, bytes.size());
    Job job = new_job(*disk, offset, step);
    copy_bytes(bytes.first(step), job.buffer.span());
    TRY(submit(std::move(job)));
    bytes_read_ += step;
    offset += step;
    bytes = bytes.subspan(step);
  }
  return {};
}

Result<> PointWriter::zero(const DiskId& id, Extent range) {
  Disk* disk = TRY(find_disk(id));
  TRY(check_range(*disk, range));
  TRY(failure());
  Result<> recorded = disk->tree.record_hole(range.offset / chunk_bytes, chunk_count(range.end()));
  if (!recorded.ok()) fail(recorded.error());
  return recorded;
}

PointWriter::Job PointWriter::new_job(Disk& disk, std::uint64_t offset, std::size_t bytes) {
  Job job{&disk, offset / chunk_bytes, buffers_.take(), chunk_count(bytes) * chunk_bytes};
  std::ranges::fill(job.buffer.span().subspan(bytes, job.length - bytes), std::byte{0});
  return job;
}

Result<> PointWriter::submit(Job job) {
  if (jobs_.push(std::move(job))) return {};
  TRY(failure());
  return error(ErrorCode::cancelled, "the recovery point was given up");
}

Result<> PointWriter::copy(const DiskId& id, BlockSource& source, const Extents& areas, std::stop_token stop,
                           const std::function<void(std::uint64_t bytes)>& progress) {
  Disk* disk = TRY(find_disk(id));
  if (source.size() != disk->spec.size_bytes) {
    return error(ErrorCode::invalid_argument, "disk {} was begun with {} bytes, its source has {}", id,
                 disk->spec.size_bytes, source.size());
  }
  // By what becomes one frame. Not more, so that neighbours on the disk, which come from several readers in
  // turn, lie together in the pack as well: who restores reads them with one call.
  std::vector<Extent> windows;
  const Extents whole_chunks = align(areas, chunk_bytes, source.size());
  for (const Extent& area : whole_chunks) {
    for (std::uint64_t at = area.offset; at < area.end();) {
      const std::uint64_t end = std::min(area.end(), (at / frame_bytes_ + 1) * frame_bytes_);
      windows.push_back({at, end - at});
      at = end;
    }
  }
  Result<> copied = parallel_for(windows.size(), options_.readers, stop, [&](std::size_t index) -> Result<> {
    TRY(copy_window(*disk, source, windows[index]), "copying disk {}", id);
    if (progress) progress(windows[index].length);
    return {};
  });
  // Some of the areas are written now: neither can they be written again, nor may a commit leave the others
  // out.
  if (!copied.ok()) fail(copied.error());
  return copied;
}

Result<> PointWriter::copy_window(Disk& disk, BlockSource& source, Extent window) {
  const Extents data = TRY(source.data_extents(window));
  const Extents to_read = intersect(align(data, chunk_bytes, source.size()), {window});
  std::uint64_t at = window.offset;
  for (const Extent& extent : to_read) {
    TRY(disk.tree.record_hole(at / chunk_bytes, extent.offset / chunk_bytes));
    Job job = new_job(disk, extent.offset, extent.length);
    TRY(source.read_at(extent.offset, job.buffer.span().first(extent.length)));
    TRY(submit(std::move(job)));
    bytes_read_ += extent.length;
    at = extent.end();
  }
  return disk.tree.record_hole(chunk_count(at), chunk_count(window.end()));
}

void PointWriter::work() {
  while (auto job = jobs_.pop()) {
    Result<> done = process(*job);
    if (!done.ok()) fail(done.error());
    buffers_.give_back(std::move(job->buffer));
  }
}

Result<> PointWriter::process(const Job& job) {
  std::vector<Chunk> chunks;
  TRY(classify(job, chunks));
  TRY(store_new(job, chunks));
  for (Chunk& chunk : chunks) {
    if (chunk.state == Chunk::State::pending) chunk.ref.place = TRY(run_index_.wait(chunk.ref.id));
    TRY(job.disk->tree.record(job.first_chunk + chunk.slot, chunk.ref));
  }
  return {};
}

void PointWriter::identify(const Job& job, std::vector<Chunk>& chunks) const {
  std::vector<ByteView> contents;
  std::vector<std::size_t> with_content;
  for (std::size_t slot = 0; slot * chunk_bytes < job.length; ++slot) {
    chunks.push_back({.slot = slot, .ref = {}});
    const ByteView content = job.content().subspan(slot * chunk_bytes, chunk_bytes);
    if (all_zero(content)) continue;
    contents.push_back(content);
    with_content.push_back(slot);
  }
  std::vector<ContentId> ids(contents.size());
  services_.keys.chunk_ids(contents, ids);
  for (std::size_t i = 0; i < ids.size(); ++i) chunks[with_content[i]].ref.id = ids[i];
}

Result<> PointWriter::classify(const Job& job, std::vector<Chunk>& chunks) {
  const auto parent_leaf = TRY(services_.trees.leaf_at(job.disk->tree.parent(), job.first_chunk));
  identify(job, chunks);
  for (Chunk& chunk : chunks) {
    if (chunk.ref.is_hole()) {
      ++chunks_zero_;
      continue;
    }
    const Ref* before =
        parent_leaf ? &parent_leaf->children[(job.first_chunk + chunk.slot) % page_children] : nullptr;
    if (before != nullptr && before->id == chunk.ref.id) {
      ++chunks_unchanged_;
      chunk.ref = *before;
      continue;
    }
    const RunIndex::Answer answer = TRY(run_index_.claim(chunk.ref.id));
    chunk.ref.place = answer.place;
    if (answer.claim == RunIndex::Claim::claimed) chunk.state = Chunk::State::claimed;
    if (answer.claim == RunIndex::Claim::pending) chunk.state = Chunk::State::pending;
    ++(answer.claim == RunIndex::Claim::claimed ? chunks_new_ : chunks_deduplicated_);
  }
  return {};
}

// The chunks one after the other: mostly all of the job, or neighbours in it, which lie so already.
ByteView PointWriter::gathered(const Job& job, std::span<const std::size_t> slots) {
  const ByteView content = job.content();
  if (slots.back() - slots.front() + 1 == slots.size()) {
    return content.subspan(slots.front() * chunk_bytes, slots.size() * chunk_bytes);
  }
  thread_local Bytes copy;
  copy.clear();
  for (const std::size_t slot : slots) {
    const ByteView chunk = content.subspan(slot * chunk_bytes, chunk_bytes);
    copy.insert(copy.end(), chunk.begin(), chunk.end());
  }
  return copy;
}

Result<> PointWriter::store_new(const Job& job, std::vector<Chunk>& chunks) {
  std::vector<ContentId> ids;
  std::vector<std::size_t> slots;
  for (const Chunk& chunk : chunks) {
    if (chunk.state != Chunk::State::claimed) continue;
    ids.push_back(chunk.ref.id);
    slots.push_back(chunk.slot);
  }
  if (ids.empty()) return {};
  thread_local Bytes room;
  const ByteView frame =
      encode_frame_into(room, gathered(job, slots), ids.size(), options_.compression_level);
  Place place = TRY(data_packs_.append(frame, ids));
  for (Chunk& chunk : chunks) {
    if (chunk.state != Chunk::State::claimed) continue;
    chunk.ref.place = place;
    run_index_.fulfil(chunk.ref.id, place);
    ++place.slot;
  }
  return {};
}

Result<Ref> PointWriter::store_page(const TreePage& page) {
  Ref ref{page_id(services_.keys, page), {}};
  const auto known = TRY(services_.index.find(ref.id));
  if (known) {
    ref.place = known->place;
    // The same chunks at the same places: ours were found alive, the page's may have been lost since it was
    // written.
    const auto stored = services_.trees.load(ref, page.level);
    if (stored.ok() && encode_page(**stored) == encode_page(page)) {
      run_index_.note_reference(ref.place.pack);
      return ref;
    }
  }
  const Bytes frame = encode_frame(encode_page(page), 1, options_.compression_level);
  ref.place = TRY(tree_packs_.append(frame, {ref.id}));
  return ref;
}

void PointWriter::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
  }
  jobs_.abandon();
  run_index_.fail(error);
}

Result<> PointWriter::failure() const {
  const std::lock_guard lock(mutex_);
  if (failure_) return *failure_;
  return {};
}

Result<VaultPoint> PointWriter::commit(Time time, std::string metadata) {
  jobs_.close();
  workers_.clear();  // joins
  TRY(failure());
  VaultPoint point{point_.id, point_.machine,      time, point_.parent.value_or(RecoveryPointId()),
                   {},        std::move(metadata), {}};
  for (const auto& disk : disks_) {
    const Ref root = TRY(disk->tree.finish());
    point.disks.push_back({disk->spec.id, disk->spec.size_bytes, root});
  }
  TRY(data_packs_.flush());
  TRY(tree_packs_.flush());
  TRY(run_index_.finish());
  point.stats = {
      bytes_read_,       data_packs_.bytes_put() + tree_packs_.bytes_put() + run_index_.bytes_put(),
      chunks_new_,       chunks_deduplicated_,
      chunks_unchanged_, chunks_zero_};
  std::optional<std::string> parent;
  if (point_.parent) parent = services_.keys.point_object_name(*point_.parent);
  TRY(confirm_lease(services_.store, services_.random, services_.begun, run_index_.referred(), parent));
  TRY(put_point(point));
  return point;
}

Result<> PointWriter::put_point(VaultPoint& point) {
  const std::string name = services_.keys.point_object_name(point.id);
  // All numbers have a fixed width, so the length is known before the statistics are complete.
  point.stats.bytes_new_stored += encode_point(point).size() + header_bytes + aead_tag_bytes;
  const Bytes object =
      sealed_object(services_.keys, ObjectKind::point, name, encode_point(point), services_.random);
  Result<> put = services_.store.put(name, object);
  if (put.ok() || put.error().code() != ErrorCode::already_exists) return put;
  const Bytes existing = TRY(services_.store.get(name));
  const Bytes body = TRY(open_object(services_.keys, ObjectKind::point, name, existing));
  const VaultPoint there = TRY(decode_point(body), "reading vault object {}", name);
  if (same_content(there, point)) return {};
  return error(
      ErrorCode::already_exists,
      "recovery point {} exists with other content (of {}): look at it before making another under its id",
      point.id, to_iso8601(there.time));
}

}  // namespace rekindle
