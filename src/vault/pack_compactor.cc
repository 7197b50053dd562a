#include "vault/pack_compactor.h"

#include <algorithm>

#include "base/log.h"
#include "vault/frame.h"
#include "vault/index_segment.h"
#include "vault/index_segment_writer.h"

namespace rekindle {

namespace {

// 8 GiB of packs of which less than a third is copied: some 100,000 entries until they are put as a segment.
constexpr std::size_t batch_packs = 256;

class Compactor {
 public:
  Compactor(const CompactedVault& vault, const LiveFrames& live, std::stop_token stop)
      : vault_(vault),
        live_(live),
        stop_(std::move(stop)),
        data_(vault.store, vault.keys, vault.random, {.kind = ObjectKind::data}, durable(ObjectKind::data)),
        tree_(vault.store, vault.keys, vault.random,
              {.kind = ObjectKind::tree, .pack_bytes = 8 * mib, .threads = 1}, durable(ObjectKind::tree)) {}

  // What could be copied; durable and indexed.
  Result<std::vector<PackName>> perform(std::span<const ListedPack> packs) {
    std::vector<PackName> copied;
    for (const ListedPack& pack : packs) {
      if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
      const Result<> done = copy(pack);
      if (!done.ok() && done.error().code() != ErrorCode::corrupt) return done.error();
      if (!done.ok()) log::warn("left as it is: {}", done.error().message());
      if (done.ok()) copied.push_back(pack.name);
    }
    TRY(append_chunks());
    TRY(data_.flush());
    TRY(tree_.flush());
    if (!entries_.empty()) {
      TRY(put_index_segment(vault_.store, vault_.keys, vault_.random, std::move(entries_)));
    }
    return copied;
  }
  std::uint64_t bytes_copied() const { return data_.bytes_put() + tree_.bytes_put(); }

 private:
  PackWriter::OnDurable durable(ObjectKind kind) {
    return [this, kind](const PackName& pack, const std::vector<PackFrame>& frames) -> Result<> {
      const std::lock_guard lock(mutex_);
      for (const PackFrame& frame : frames) {
        for (std::size_t slot = 0; slot < frame.ids.size(); ++slot) {
          const Place place{pack, frame.offset, frame.length, static_cast<std::uint8_t>(slot)};
          entries_.push_back({frame.ids[slot], kind, place});
        }
      }
      return {};
    };
  }

  Result<> copy(const ListedPack& pack) {
    const auto live = live_.frames(pack.name);
    const auto frames = TRY(vault_.packs.directory(pack.kind, pack.name));
    for (const PackFrame& frame : frames) {
      const LiveFrames::Frame* needed = find_frame(live, frame.offset);
      if (needed != nullptr) TRY(copy(pack, frame, *needed));
    }
    return {};
  }

  // A page is a frame of its own; of chunks, those that are needed, together with those before and after.
  Result<> copy(const ListedPack& pack, const PackFrame& frame, const LiveFrames::Frame& needed) {
    const Bytes payload = TRY(vault_.packs.frame(pack.kind, {pack.name, frame.offset, frame.length, 0}));
    if (pack.kind == ObjectKind::tree) {
      TRY(tree_.append(encode_frame(payload, frame.ids.size(), 1), frame.ids));
      return {};
    }
    for (std::size_t slot = 0; slot < frame.ids.size(); ++slot) {
      if (!needed.needs(slot)) continue;
      if ((slot + 1) * chunk_bytes > payload.size()) {
        return damaged(pack_object_name(pack.kind, pack.name), "a frame of it is too short");
      }
      const ByteView chunk = ByteView(payload).subspan(slot * chunk_bytes, chunk_bytes);
      chunks_.insert(chunks_.end(), chunk.begin(), chunk.end());
      ids_.push_back(frame.ids[slot]);
      if (ids_.size() == frame_chunks) TRY(append_chunks());
    }
    return {};
  }

  Result<> append_chunks() {
    if (ids_.empty()) return {};
    TRY(data_.append(encode_frame(chunks_, ids_.size(), 1), std::exchange(ids_, {})));
    chunks_.clear();
    return {};
  }

  const CompactedVault& vault_;
  const LiveFrames& live_;
  const std::stop_token stop_;
  std::mutex mutex_;
  std::vector<IndexEntry> entries_;
  Bytes chunks_;  // of one frame, not yet in a pack
  std::vector<ContentId> ids_;
  PackWriter data_;
  PackWriter tree_;
};

}  // namespace

Result<Compacted> compact(const CompactedVault& vault, const std::vector<ListedPack>& thin,
                          const LiveFrames& live, std::stop_token stop) {
  Compacted all;
  for (std::size_t at = 0; at < thin.size(); at += batch_packs) {
    Compactor batch(vault, live, stop);
    const auto copied =
        TRY(batch.perform(std::span(thin).subspan(at, std::min(batch_packs, thin.size() - at))));
    all.packs.insert(all.packs.end(), copied.begin(), copied.end());
    all.bytes_copied += batch.bytes_copied();
  }
  return all;
}

}  // namespace rekindle
