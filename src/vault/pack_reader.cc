#include "vault/pack_reader.h"

#include "vault/frame.h"
#include "vault/wire.h"

namespace rekindle {

Error missing_is_damaged(Error error, std::string_view object_name) {
  if (error.code() == ErrorCode::not_found) return damaged(object_name, "it is missing");
  if (error.code() == ErrorCode::corrupt) return damaged(object_name, error.message());
  return error;
}

namespace {

Result<Bytes> read_part(ObjectStore& store, const std::string& name, std::uint64_t offset,
                        std::uint64_t length) {
  Bytes part(length);
  Result<> read = store.read_at(name, offset, part);
  if (!read.ok()) return missing_is_damaged(std::move(read).error(), name);
  return part;
}

Result<std::vector<PackFrame>> parse_directory(const std::string& name, ByteView bytes) {
  WireReader in(bytes);
  const auto count = in.number<std::uint32_t>();
  std::vector<PackFrame> frames;
  if (in.fits(count, directory_entry_bytes(0))) frames.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    PackFrame frame{in.number<std::uint32_t>(), in.number<std::uint32_t>(), {}};
    const auto ids = in.number<std::uint8_t>();
    for (int k = 0; k < ids && in.ok(); ++k) frame.ids.push_back(in.array<32>());
    frames.push_back(std::move(frame));
  }
  if (!in.complete()) return damaged(name, "its directory does not parse");
  return frames;
}

}  // namespace

Result<PackReader::CipherPointer> PackReader::cipher(ObjectKind kind, const PackName& pack) {
  if (auto known = ciphers_.find(pack)) return known;
  const std::string name = pack_object_name(kind, pack);
  const Bytes header = TRY(read_part(store_, name, 0, header_bytes));
  auto made = TRY(ObjectCipher::from_header(keys_, kind, name, header));
  return ciphers_.insert(pack, std::make_shared<const ObjectCipher>(std::move(made)));
}

Result<Bytes> PackReader::frame(ObjectKind kind, const Place& place) {
  const CipherPointer cipher = TRY(this->cipher(kind, place.pack));
  if (place.length > longest_payload + 64 * kib)
    return damaged(cipher->name(), "a reference into it is too long");
  const Bytes sealed = TRY(read_part(store_, cipher->name(), place.offset, place.length));
  const Bytes opened = TRY(cipher->open(Section::frame, place.offset, sealed));
  Result<Bytes> payload = decode_frame(opened);
  if (!payload.ok()) return damaged(cipher->name(), payload.error().message());
  return payload;
}

Result<> PackReader::frames(const PackName& pack, std::span<const Place> places, const TakeFrame& take) {
  const CipherPointer cipher = TRY(this->cipher(ObjectKind::data, pack));
  const std::uint64_t begin = places.front().offset;
  const std::uint64_t end = std::uint64_t{places.back().offset} + places.back().length;  // beyond 32 bits
  // Kept: fresh memory for every read costs more than the read.
  thread_local Bytes buffer;
  const std::uint64_t length = end - begin;
  if (buffer.size() < length) buffer.resize(length);
  const ByteSpan sealed = ByteSpan(buffer).first(length);
  Result<> read = store_.read_at(cipher->name(), begin, sealed);
  if (!read.ok()) return missing_is_damaged(std::move(read).error(), cipher->name());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const ByteSpan part = sealed.subspan(places[i].offset - begin, places[i].length);
    const Result<ByteSpan> opened = cipher->open_in_place(Section::frame, places[i].offset, part);
    take(i, opened.ok() ? Result<ByteView>(ByteView(*opened)) : Result<ByteView>(opened.error()));
  }
  return {};
}

Result<std::vector<PackFrame>> PackReader::directory(ObjectKind kind, const PackName& pack) {
  const CipherPointer cipher = TRY(this->cipher(kind, pack));
  const std::string& name = cipher->name();
  Result<std::uint64_t> size = store_.size(name);
  if (!size.ok()) return missing_is_damaged(std::move(size).error(), name);
  if (*size < header_bytes + pack_trailer_bytes) return damaged(name, "it is too short");
  const Bytes trailer = TRY(read_part(store_, name, *size - pack_trailer_bytes, pack_trailer_bytes));
  WireReader in(trailer);
  const std::uint64_t offset = in.number<std::uint32_t>();
  const std::uint64_t length = in.number<std::uint32_t>();
  const bool ends_well = as_text(in.bytes(8)) == "RKPACKED";
  if (!ends_well || offset < header_bytes || offset + length + pack_trailer_bytes != *size) {
    return damaged(name, "its end is not that of a pack");
  }
  const Bytes sealed = TRY(read_part(store_, name, offset, length));
  const Bytes plain = TRY(cipher->open(Section::directory, 0, sealed));
  return parse_directory(name, plain);
}

}  // namespace rekindle
