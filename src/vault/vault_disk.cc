#include "vault/vault_disk.h"

#include <algorithm>
#include <tuple>

#include "base/page_buffer.h"
#include "vault/frame.h"

namespace rekindle {

namespace {

// Bytes between two frames that are rather read too than asked for apart, and the most that one read brings.
constexpr std::uint64_t worth_skipping = 512 * kib;
constexpr std::uint64_t longest_run = 4 * mib;

// Whether the next frame is read together with those before it, which begin at `begin`.
bool joins(const Place& before, const Place& next, std::uint64_t begin) {
  const std::uint64_t end = std::uint64_t{before.offset} + before.length;
  return next.pack == before.pack && next.offset >= end && next.offset - end <= worth_skipping &&
         next.offset + std::uint64_t{next.length} - begin <= longest_run;
}

bool in_one_frame(const Place& one, const Place& other) {
  return one.pack == other.pack && one.offset == other.offset && one.length == other.length;
}

}  // namespace

// Who wants a quarter of a frame in a large read has what is of use to him: the rest was replaced in later
// points. (Large: a small one may end within a frame, and the next goes on there.)
bool VaultDisk::wants_much(std::span<const Piece> pieces) {
  return pieces.size() >= frame_chunks / 4 &&
         std::ranges::all_of(pieces, [](const Piece& piece) { return piece.bytes.size() == chunk_bytes; });
}

// Chunks 0, 1, ... of a frame, one after the other in the reader's bytes.
bool VaultDisk::in_order(std::span<const Piece> pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool next = pieces[i].ref.place.slot == i && pieces[i].bytes.size() == chunk_bytes &&
                      pieces[i].bytes.data() == pieces.front().bytes.data() + i * chunk_bytes;
    if (!next) return false;
  }
  return true;
}

VaultDisk::VaultDisk(PackReader& packs, TreeReader& trees, const VaultKeys& keys, ContentFinder& finder,
                     PointDisk disk, const VaultDiskOptions& options)
    : packs_(packs),
      trees_(trees),
      keys_(keys),
      finder_(finder),
      disk_(std::move(disk)),
      frames_(std::max<std::uint64_t>(16 * frame_bytes, options.cache_bytes)) {
  if (options.read_ahead_bytes == 0) return;
  read_ahead_ = std::make_unique<ReadAhead>(disk_.size_bytes, options.read_ahead_bytes,
                                            [this](Extent range) { prefetch(range); });
}

Result<> VaultDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  if (offset > disk_.size_bytes || bytes.size() > disk_.size_bytes - offset) {
    return error(ErrorCode::invalid_argument, "reading bytes {} to {} of disk {}, which has {}", offset,
                 offset + bytes.size(), disk_.id, disk_.size_bytes);
  }
  const auto read = [&]() -> Result<> {
    const auto failures = read_in_place(TRY(pieces_of(offset, bytes)));
    return failures.empty() ? Result<>() : read_elsewhere(failures);
  };
  Result<> result = read();
  if (!result.ok()) std::ranges::fill(bytes, std::byte{0});  // nothing unchecked gets out
  if (result.ok() && read_ahead_) read_ahead_->was_read({offset, bytes.size()});
  return result;
}

void VaultDisk::will_read(Extent range) {
  const Extents inside = intersect({range}, {{0, disk_.size_bytes}});
  if (read_ahead_ && !inside.empty()) read_ahead_->fetch(inside.front());
}

// Errors are for who asks for these bytes in earnest.
void VaultDisk::prefetch(Extent range) {
  std::vector<Piece> pieces;
  for (std::uint64_t chunk = range.offset / chunk_bytes; chunk < chunk_count(range.end()); ++chunk) {
    const auto leaf = trees_.leaf_at(disk_.root, chunk);
    if (!leaf.ok()) return;
    const Ref ref = *leaf ? (*leaf)->children[chunk % page_children] : Ref{};
    if (!ref.is_hole()) pieces.push_back({ref, 0, {}});
  }
  auto uses = uses_of(pieces);
  load(uses);
}

std::vector<VaultDisk::Failure> VaultDisk::read_in_place(std::vector<Piece> pieces) {
  auto uses = uses_of(pieces);
  load(uses);
  std::vector<Failure> failures;
  for (FrameUse& use : uses) {
    if (use.outcome.ok()) use.outcome = serve(use);
    if (use.outcome.ok()) continue;
    for (const Piece& piece : use.pieces) failures.push_back({piece, use.outcome.error()});
  }
  return failures;
}

// What a collector moved it moved together: all at once from their new places, and then one by one from any.
Result<> VaultDisk::read_elsewhere(const std::vector<Failure>& failures) {
  std::vector<Piece> moved;
  for (const auto& [piece, why] : failures) {
    TRY(finder_.try_elsewhere(ObjectKind::data, piece.ref, why, [&](const Place& place) -> Result<> {
      moved.push_back({{piece.ref.id, place}, piece.skip, piece.bytes});
      return {};
    }));
  }
  for (const auto& [piece, why] : read_in_place(std::move(moved))) {
    TRY(finder_.try_elsewhere(ObjectKind::data, piece.ref, why, [&](const Place& place) -> Result<> {
      const auto still = read_in_place({{{piece.ref.id, place}, piece.skip, piece.bytes}});
      return still.empty() ? Result<>() : still.front().why;
    }));
  }
  return {};
}

// Holes are filled at once.
Result<std::vector<VaultDisk::Piece>> VaultDisk::pieces_of(std::uint64_t offset, ByteSpan bytes) {
  std::vector<Piece> pieces;
  pieces.reserve(bytes.size() / chunk_bytes + 2);
  TreeReader::PagePointer leaf;
  std::uint64_t leaf_number = UINT64_MAX;
  while (!bytes.empty()) {
    const std::uint64_t chunk = offset / chunk_bytes;
    if (chunk / page_children != leaf_number) {
      leaf = TRY(trees_.leaf_at(disk_.root, chunk));
      leaf_number = chunk / page_children;
    }
    const std::uint64_t skip = offset % chunk_bytes;
    const ByteSpan part = bytes.first(std::min<std::uint64_t>(bytes.size(), chunk_bytes - skip));
    const Ref ref = leaf ? leaf->children[chunk % page_children] : Ref{};
    if (ref.is_hole()) std::ranges::fill(part, std::byte{0});
    if (!ref.is_hole()) pieces.push_back({ref, skip, part});
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
  return pieces;
}

// One use per frame, in the order in which they lie in the packs.
std::vector<VaultDisk::FrameUse> VaultDisk::uses_of(std::vector<Piece>& pieces) {
  std::ranges::sort(pieces, {}, [](const Piece& piece) {
    return std::tuple(piece.ref.place.pack, piece.ref.place.offset, piece.ref.place.length,
                      piece.ref.place.slot);
  });
  std::uint64_t wanted = 0;
  for (const Piece& piece : pieces) wanted += piece.bytes.size();
  const bool large_read = wanted >= 2 * frame_bytes;
  std::vector<FrameUse> uses;
  for (std::size_t begin = 0, end = 0; begin < pieces.size(); begin = end) {
    const Place& place = pieces[begin].ref.place;
    while (end < pieces.size() && in_one_frame(pieces[end].ref.place, place)) ++end;
    FrameUse use{place, std::span(pieces).subspan(begin, end - begin), false, {}, {}};
    use.wants_much = large_read && wants_much(use.pieces);
    const bool straight = use.wants_much || in_order(use.pieces);
    if (!straight || frames_.find(place)) use.claim = frames_.claim(place);
    uses.push_back(std::move(use));
  }
  return uses;
}

// Reads what nobody else has or is reading. What was claimed is fulfilled in any case: others wait for it.
void VaultDisk::load(std::vector<FrameUse>& uses) {
  std::vector<FrameUse*> missing;
  for (FrameUse& use : uses) {
    if (use.claim.ours || !use.claim.frame) missing.push_back(&use);
  }
  for (std::size_t begin = 0, end = 0; begin < missing.size(); begin = end) {
    for (end = begin + 1; end < missing.size(); ++end) {
      if (!joins(missing[end - 1]->place, missing[end]->place, missing[begin]->place.offset)) break;
    }
    const std::span run = std::span(missing).subspan(begin, end - begin);
    load_run(run);
    // A pack that was cut short still holds what lies before the cut.
    for (std::size_t i = 0; run.size() > 1 && i < run.size(); ++i) {
      const Result<>& outcome = run[i]->outcome;
      if (!outcome.ok() && outcome.error().code() == ErrorCode::corrupt) load_run(run.subspan(i, 1));
    }
    for (const FrameUse* use : run) {
      if (!use->claim.ours || use->claim.frame->fulfilled()) continue;
      use->claim.frame->fulfil(use->outcome.error());
      frames_.forget(use->place);
    }
  }
}

// Without a copy if the reader wants all of the frame in one piece.
Result<> VaultDisk::decode_into(std::span<const Piece> pieces, ByteView encoded, std::size_t length) {
  if (length == pieces.size() * chunk_bytes && in_order(pieces)) {
    return decode_frame(encoded, {pieces.front().bytes.data(), length});
  }
  thread_local PageBuffer room(longest_payload);
  const ByteSpan payload = room.span().first(length);
  TRY(decode_frame(encoded, payload));
  for (const Piece& piece : pieces) {
    const std::size_t at = piece.ref.place.slot * chunk_bytes;
    if (at + chunk_bytes > length) return error(ErrorCode::corrupt, "a frame that ends too soon");
    copy_bytes(payload.subspan(at, chunk_bytes), piece.bytes);
  }
  return {};
}

void VaultDisk::load_run(std::span<FrameUse*> run) {
  std::vector<Place> places;
  Result<> read;
  for (const FrameUse* use : run) {
    places.push_back(use->place);
    if (use->place.length <= longest_payload + 64 * kib) continue;
    read = damaged(pack_object_name(ObjectKind::data, use->place.pack), "a reference into it is too long");
  }
  if (read.ok()) {
    read = packs_.frames(places.front().pack, places, [&](std::size_t i, const Result<ByteView>& encoded) {
      run[i]->outcome = encoded.ok() ? take(*run[i], *encoded) : Result<>(encoded.error());
    });
  }
  for (FrameUse* use : run) {
    if (!read.ok()) use->outcome = read;
  }
}

Result<> VaultDisk::check_ids(std::span<const Piece> pieces) const {
  std::vector<ByteView> contents;
  for (const Piece& piece : pieces) contents.emplace_back(piece.bytes);
  std::vector<ContentId> ids(pieces.size());
  keys_.chunk_ids(contents, ids);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (ids[i] != pieces[i].ref.id) return wrong_chunk(pieces[i].ref.place);
  }
  return {};
}

Result<> VaultDisk::take(FrameUse& use, ByteView encoded) {
  const auto length = payload_length(encoded);
  const auto object = [&] { return pack_object_name(ObjectKind::data, use.place.pack); };
  if (!length.ok()) return damaged(object(), length.error().message());
  if (!use.claim.frame && (use.wants_much || *length == use.pieces.size() * chunk_bytes)) {
    const Result<> decoded = decode_into(use.pieces, encoded, *length);
    return decoded.ok() ? check_ids(use.pieces) : damaged(object(), decoded.error().message());
  }
  // More is in it than was asked for: likely the next to be asked for.
  auto payload = decode_frame(encoded);
  if (!payload.ok()) return damaged(object(), payload.error().message());
  if (!use.claim.frame) use.claim = frames_.claim(use.place);
  if (use.claim.ours) {
    use.claim.frame->fulfil(std::move(payload));
    frames_.fulfilled(use.place, *length);
  }
  return {};
}

Result<> VaultDisk::serve(const FrameUse& use) {
  if (!use.claim.frame) return {};
  std::shared_ptr<CachedFrame> frame = use.claim.frame;
  if (!frame->wait().ok()) {
    // Another thread failed with it, maybe because of a neighbour that nobody needs here.
    frame = std::make_shared<CachedFrame>();
    frame->fulfil(TRY(packs_.frame(ObjectKind::data, use.place)));
  }
  for (const Piece& piece : use.pieces) {
    if (!frame->copy_chunk(keys_, piece.ref, piece.skip, piece.bytes)) return wrong_chunk(piece.ref.place);
  }
  return {};
}

Error VaultDisk::wrong_chunk(const Place& place) const {
  return damaged(pack_object_name(ObjectKind::data, place.pack),
                 fmt::format("the chunk at byte {} is not the one that was asked for", place.offset));
}

Result<Extents> VaultDisk::data_extents(Extent range) {
  if (range.offset > disk_.size_bytes || range.length > disk_.size_bytes - range.offset) {
    return error(ErrorCode::invalid_argument, "bytes {} to {} of disk {}, which has {}", range.offset,
                 range.end(), disk_.id, disk_.size_bytes);
  }
  return trees_.data_extents(disk_.root, range);
}

}  // namespace rekindle
