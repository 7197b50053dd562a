#include "vault/pack_check.h"

#include "vault/tree_page.h"

namespace rekindle {

Result<std::shared_ptr<const PackCheck::Directory>> PackCheck::directory(ObjectKind kind,
                                                                         const PackName& pack) {
  if (auto known = directories_.find(pack)) return known;
  {
    const std::lock_guard lock(mutex_);
    const auto unreadable = unreadable_.find(pack);
    if (unreadable != unreadable_.end()) return Error(ErrorCode::corrupt, unreadable->second);
  }
  const auto frames = packs_.directory(kind, pack);
  if (!frames.ok() && frames.error().code() == ErrorCode::corrupt) {
    const std::lock_guard lock(mutex_);
    unreadable_.emplace(pack, frames.error().message());
  }
  if (!frames.ok()) return frames.error();
  auto directory = std::make_shared<Directory>();
  std::size_t cost = 8;  // of the directory itself, in ids
  for (const PackFrame& frame : *frames) {
    directory->emplace(frame.offset, frame);
    cost += frame.ids.size();
  }
  return directories_.insert(pack, std::shared_ptr<const Directory>(std::move(directory)), cost);
}

Result<> PackCheck::read(const ListedPack& pack, const Sample& sample) {
  const auto frames = directory(pack.kind, pack.name);
  if (!frames.ok() && frames.error().code() != ErrorCode::corrupt) return frames.error();
  if (!frames.ok()) {
    const std::string object = pack_object_name(pack.kind, pack.name);
    // Collected since it was listed: who needs it will say so.
    const auto size = store_.size(object);
    if (!size.ok() && size.error().code() == ErrorCode::not_found) return {};
    const std::lock_guard lock(mutex_);
    damage_.emplace(frames.error().message(), object);
    return {};
  }
  for (const auto& [offset, frame] : **frames) {
    // Names are random: so is this.
    const std::uint64_t dice = UniformHash()(pack.name) + offset * 0x9E3779B97F4A7C15 + sample.seed;
    if (dice * 0xD1342543DE82EF95 >> 32U < sample.percent * (std::uint64_t{1} << 32U) / 100) {
      TRY(read_frame(pack.kind, pack.name, frame));
    }
  }
  return {};
}

bool PackCheck::is_right(ObjectKind kind, const PackFrame& frame, ByteView payload) const {
  if (kind == ObjectKind::tree) {
    const auto page = decode_page(payload);
    return page.ok() && frame.ids.size() == 1 && page_id(keys_, *page) == frame.ids.front();
  }
  if (payload.size() != frame.ids.size() * chunk_bytes) return false;
  std::vector<ByteView> contents;
  for (std::size_t slot = 0; slot < frame.ids.size(); ++slot) {
    contents.push_back(payload.subspan(slot * chunk_bytes, chunk_bytes));
  }
  std::vector<ContentId> ids(contents.size());
  keys_.chunk_ids(contents, ids);
  return ids == frame.ids;
}

Result<> PackCheck::read_frame(ObjectKind kind, const PackName& pack, const PackFrame& frame) {
  const std::string object = pack_object_name(kind, pack);
  const auto payload = packs_.frame(kind, {pack, frame.offset, frame.length, 0});
  if (!payload.ok() && payload.error().code() != ErrorCode::corrupt) return payload.error();
  std::string sentence;
  if (!payload.ok()) {
    const auto size = store_.size(object);
    if (!size.ok() && size.error().code() == ErrorCode::not_found) return {};
    sentence = payload.error().message();
  } else if (!is_right(kind, frame, *payload)) {
    const auto what = fmt::format("the frame at byte {} does not hold what the directory says", frame.offset);
    sentence = damaged(object, what).message();
  }
  const std::lock_guard lock(mutex_);
  bytes_read_ += frame.length;
  if (sentence.empty()) return {};
  damaged_.emplace(std::pair(pack, frame.offset), sentence);
  if (damage_.find(sentence) == damage_.end()) damage_.emplace(sentence, object);
  return {};
}

Result<> PackCheck::lists(ObjectKind kind, const ContentId& id, const Place& place) {
  const auto frames = TRY(directory(kind, place.pack));
  const auto frame = frames->find(place.offset);
  if (frame != frames->end() && frame->second.length == place.length &&
      place.slot < frame->second.ids.size() && frame->second.ids[place.slot] == id) {
    return {};
  }
  return damaged(pack_object_name(kind, place.pack),
                 fmt::format("what should be at byte {} is not there", place.offset));
}

Result<> PackCheck::holds(ObjectKind kind, const ContentId& id, const Place& place) {
  TRY(lists(kind, id, place));
  const std::lock_guard lock(mutex_);
  const auto found = damaged_.find({place.pack, place.offset});
  if (found == damaged_.end()) return {};
  return Error(ErrorCode::corrupt, found->second);
}

std::uint64_t PackCheck::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

std::multimap<std::string, std::string> PackCheck::damage() const {
  const std::lock_guard lock(mutex_);
  return damage_;
}

}  // namespace rekindle
