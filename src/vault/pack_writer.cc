#include "vault/pack_writer.h"

#include <algorithm>

#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr std::size_t pack_end_bytes = aead_tag_bytes + pack_trailer_bytes;

}  // namespace

PackWriter::PackWriter(ObjectStore& store, const VaultKeys& keys, Random& random, PackWriterOptions options,
                       OnDurable on_durable)
    : store_(store), keys_(keys), random_(random), options_(options), on_durable_(std::move(on_durable)) {
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { put_packs(); });
}

PackWriter::~PackWriter() {
  full_.abandon();
}

PackWriter::PackPointer PackWriter::new_pack() {
  PackName name{};
  random_.fill(name);
  auto cipher = ObjectCipher::make(keys_, options_.kind, pack_object_name(options_.kind, name), random_);
  auto pack = std::make_shared<Pack>(name, std::move(cipher));
  pack->content = buffers_.take();
  copy_bytes(pack->cipher.header(), pack->content.span());
  pack->used = header_bytes;
  return pack;
}

Result<Place> PackWriter::append(ByteView frame, std::vector<ContentId> ids) {
  const std::size_t length = frame.size() + aead_tag_bytes;
  const std::size_t described = directory_entry_bytes(ids.size());
  CHECK(header_bytes + length + described + pack_end_bytes <= options_.pack_bytes);
  PackPointer pack;
  PackPointer full;
  std::size_t offset = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    const auto fits = [&](const Pack& into) {
      return into.used + into.directory_bytes + length + described + pack_end_bytes <= options_.pack_bytes;
    };
    if (open_ && !fits(*open_)) full = close_open_pack();
    if (!open_) open_ = new_pack();
    pack = open_;
    pack->directory_bytes += described;
    offset = pack->used;
    pack->used += length;
    ++pack->being_sealed;
    pack->frames.push_back(
        {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(length), std::move(ids)});
  }
  if (full) TRY(queue(std::move(full)));
  pack->cipher.seal(Section::frame, offset, frame, pack->content.span().subspan(offset, length));
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    last = --pack->being_sealed == 0 && pack->closed;
  }
  const Place place{pack->name, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(length), 0};
  if (last) TRY(queue(std::move(pack)));
  return place;
}

PackWriter::PackPointer PackWriter::close_open_pack() {
  open_->closed = true;
  const PackPointer closed = std::exchange(open_, nullptr);
  // While others still seal into it, the last of them queues it.
  return closed->being_sealed == 0 ? closed : nullptr;
}

Result<> PackWriter::queue(PackPointer pack) {
  if (full_.push(std::move(pack))) return {};
  const std::lock_guard lock(mutex_);
  return failure_ ? *failure_ : error(ErrorCode::cancelled, "the writer was given up");
}

Result<> PackWriter::flush() {
  PackPointer last;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    if (open_) last = close_open_pack();
  }
  if (last) TRY(queue(std::move(last)));
  full_.close();
  threads_.clear();  // joins
  const std::lock_guard lock(mutex_);
  if (failure_) return *failure_;
  return {};
}

void PackWriter::put_packs() {
  while (auto pack = full_.pop()) {
    Result<> done = finish_and_put(**pack);
    if (done.ok()) continue;
    fail(std::move(done).error());
    full_.abandon();
  }
}

Result<> PackWriter::finish_and_put(Pack& pack) {
  WireWriter directory;
  directory.number(static_cast<std::uint32_t>(pack.frames.size()));
  for (const PackFrame& frame : pack.frames) {
    directory.number(frame.offset);
    directory.number(frame.length);
    directory.number(static_cast<std::uint8_t>(frame.ids.size()));
    for (const ContentId& id : frame.ids) directory.bytes(id);
  }
  const Bytes sealed = pack.cipher.sealed(Section::directory, 0, directory.take());
  WireWriter trailer;
  trailer.number(static_cast<std::uint32_t>(pack.used));
  trailer.number(static_cast<std::uint32_t>(sealed.size()));
  trailer.bytes(as_bytes("RKPACKED"));
  const Bytes end = trailer.take();
  const ByteSpan room = pack.content.span().subspan(pack.used);
  copy_bytes(sealed, room);
  copy_bytes(end, room.subspan(sealed.size()));
  const std::size_t size = pack.used + sealed.size() + end.size();
  TRY(store_.put(pack.cipher.name(), pack.content.view().first(size)));
  buffers_.give_back(std::move(pack.content));
  {
    const std::lock_guard lock(mutex_);
    bytes_put_ += size;
  }
  const std::lock_guard lock(durable_mutex_);
  return on_durable_(pack.name, pack.frames);
}

void PackWriter::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
}

std::uint64_t PackWriter::bytes_put() const {
  const std::lock_guard lock(mutex_);
  return bytes_put_;
}

}  // namespace rekindle
