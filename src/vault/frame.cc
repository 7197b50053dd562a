#include "vault/frame.h"

#include <zstd.h>

#include <memory>

#include "vault/format.h"

namespace rekindle {

namespace {

enum class Encoding : std::uint8_t { plain = 0, zstd = 1 };
constexpr std::size_t frame_header_bytes = 8;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Above 256 KiB zstd takes level 1 to mean a window of 512 KiB and matches of at least 7 bytes. Matches of 6,
// as below 256 KiB, and a window over all of a frame make 1 MiB of a disk 2 % smaller in the same time
// (docs/adr/0005).
constexpr std::size_t small_payload = 256 * kib;
constexpr int frame_window_log = 20;  // 1 MiB
void set_parameters(ZSTD_CCtx* context, std::size_t payload_bytes, int level) {
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (level != 1 || payload_bytes <= small_payload) return;
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, frame_window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 14);
  ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 6);
}

// The compressed size, or 0 when it is not worth it. Less room than the payload needs makes zstd stop early.
std::size_t compress(ByteView payload, ByteSpan room, int level) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  set_parameters(context.get(), payload.size(), level);
  const std::size_t size =
      ZSTD_compress2(context.get(), room.data(), room.size(), payload.data(), payload.size());
  return ZSTD_isError(size) != 0 ? 0 : size;
}

}  // namespace

ByteView encode_frame_into(Bytes& room, ByteView payload, std::size_t contents, int compression_level) {
  CHECK(payload.size() <= longest_payload && contents < 256);
  if (room.size() < frame_header_bytes + payload.size()) room.resize(frame_header_bytes + payload.size());
  const ByteSpan body = ByteSpan(room).subspan(frame_header_bytes, payload.size());
  const std::size_t worth_it = payload.size() - payload.size() / 16;
  const std::size_t compressed =
      compression_level > 0 ? compress(payload, body.first(worth_it), compression_level) : 0;
  std::fill_n(room.begin(), frame_header_bytes, std::byte{0});
  room[0] = static_cast<std::byte>(compressed > 0 ? Encoding::zstd : Encoding::plain);
  room[1] = static_cast<std::byte>(contents);
  store_le<std::uint32_t>(room.data() + 4, static_cast<std::uint32_t>(payload.size()));
  if (compressed == 0) copy_bytes(payload, body);
  return ByteView(room).first(frame_header_bytes + (compressed > 0 ? compressed : payload.size()));
}

Bytes encode_frame(ByteView payload, std::size_t contents, int compression_level) {
  Bytes room;
  return to_bytes(encode_frame_into(room, payload, contents, compression_level));
}

Result<std::size_t> payload_length(ByteView frame) {
  if (frame.size() < frame_header_bytes)
    return error(ErrorCode::corrupt, "a frame of {} bytes", frame.size());
  const std::size_t length = load_le<std::uint32_t>(frame.data() + 4);
  if (length > longest_payload) return error(ErrorCode::corrupt, "a frame that claims {} bytes", length);
  return length;
}

Result<> decode_frame(ByteView frame, ByteSpan payload) {
  const std::size_t length = TRY(payload_length(frame));
  const auto encoding = static_cast<Encoding>(frame[0]);
  const ByteView body = frame.subspan(frame_header_bytes);
  CHECK(payload.size() == length);
  if (encoding == Encoding::plain) {
    if (length != body.size()) return error(ErrorCode::corrupt, "a frame whose length is not its own");
    copy_bytes(body, payload);
    return {};
  }
  if (encoding != Encoding::zstd) return error(ErrorCode::corrupt, "a frame of unknown encoding");
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  const std::size_t size =
      ZSTD_decompressDCtx(context.get(), payload.data(), payload.size(), body.data(), body.size());
  if (ZSTD_isError(size) != 0 || size != length)
    return error(ErrorCode::corrupt, "a frame that does not decompress");
  return {};
}

Result<Bytes> decode_frame(ByteView frame) {
  Bytes payload(TRY(payload_length(frame)));
  TRY(decode_frame(frame, payload));
  return payload;
}

}  // namespace rekindle
