#include "vault/run_index.h"
#include "vault/index_segment_writer.h"

namespace rekindle {

namespace {
// 2^19 entries stand for 32 GiB of new data and about 64 MiB of memory.
constexpr std::size_t segment_entries = std::size_t{1} << 19;
}  // namespace

Result<RunIndex::Answer> RunIndex::claim(const ContentId& id) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    const auto [found, added] = stored_.try_emplace(id);
    if (!added && found->second) return Answer{Claim::known, *found->second};
    if (!added) return Answer{Claim::pending, {}};
  }
  // Claimed; unless the index, which may have to read, knows it. Then the claim is withdrawn, so that memory
  // is needed for what is new only.
  const auto known = TRY(index_.find(id));
  if (!known) return Answer{Claim::claimed, {}};
  const std::lock_guard lock(mutex_);
  referred_.insert(known->place.pack);
  stored_.erase(id);
  changed_.notify_all();
  return Answer{Claim::known, known->place};
}

void RunIndex::fulfil(const ContentId& id, const Place& place) {
  const std::lock_guard lock(mutex_);
  stored_[id] = place;
  changed_.notify_all();
}

Result<Place> RunIndex::wait(const ContentId& id) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const auto found = stored_.find(id);
      return failure_ || found == stored_.end() || found->second;
    });
    if (failure_) return *failure_;
    const auto found = stored_.find(id);
    if (found != stored_.end()) return *found->second;
  }
  const auto known = TRY(index_.find(id));
  if (!known) return error(ErrorCode::internal, "stored content disappeared from the index of this run");
  return known->place;
}

void RunIndex::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
  changed_.notify_all();
}

Result<> RunIndex::pack_durable(ObjectKind kind, const PackName& pack, const std::vector<PackFrame>& frames) {
  std::vector<IndexEntry> enough;
  {
    const std::lock_guard lock(mutex_);
    referred_.insert(pack);
    for (const PackFrame& frame : frames) {
      for (std::size_t slot = 0; slot < frame.ids.size(); ++slot) {
        const Place place{pack, frame.offset, frame.length, static_cast<std::uint8_t>(slot)};
        durable_.push_back({frame.ids[slot], kind, place});
      }
    }
    if (durable_.size() >= segment_entries) enough = std::exchange(durable_, {});
  }
  if (enough.empty()) return {};
  return put_segment(std::move(enough));
}

Result<> RunIndex::put_segment(std::vector<IndexEntry> entries) {
  std::vector<ContentId> ids;
  for (const IndexEntry& entry : entries) ids.push_back(entry.id);
  const PutSegment put = TRY(put_index_segment(store_, keys_, random_, std::move(entries)));
  TRY(index_.add_segment(put.name));
  const std::lock_guard lock(mutex_);
  bytes_put_ += put.size_bytes;
  for (const ContentId& id : ids) stored_.erase(id);  // the index answers for them now
  return {};
}

Result<> RunIndex::finish() {
  std::vector<IndexEntry> rest = index_.orphans();
  {
    const std::lock_guard lock(mutex_);
    rest.insert(rest.end(), durable_.begin(), durable_.end());
    durable_.clear();
  }
  if (rest.empty()) return {};
  return put_segment(std::move(rest));
}

void RunIndex::note_reference(const PackName& pack) {
  const std::lock_guard lock(mutex_);
  referred_.insert(pack);
}

PackNames RunIndex::referred() const {
  const std::lock_guard lock(mutex_);
  return referred_;
}

std::uint64_t RunIndex::bytes_put() const {
  const std::lock_guard lock(mutex_);
  return bytes_put_;
}

}  // namespace rekindle
