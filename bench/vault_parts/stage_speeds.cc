#include "bench/vault_parts/stage_speeds.h"

#include <chrono>

#include "base/page_buffer.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "store/local_store.h"
#include "vault/frame.h"
#include "vault/vault_keys.h"

namespace rekindle {

namespace {

constexpr std::uint64_t unit = frame_bytes;  // of compression

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<std::vector<std::uint64_t>> sample(BlockSource& source, std::uint64_t sample_bytes) {
  const Extents data = TRY(source.data_extents({0, source.size()}));
  std::vector<std::uint64_t> units;
  for (const Extent& extent : align(data, unit, source.size())) {
    for (std::uint64_t at = extent.offset; at + unit <= extent.end(); at += unit) units.push_back(at);
  }
  const std::size_t wanted = std::max<std::size_t>(1, sample_bytes / unit);
  std::vector<std::uint64_t> chosen;
  for (std::size_t i = 0; i < wanted && !units.empty(); ++i) {
    chosen.push_back(units[i * units.size() / wanted]);
  }
  if (chosen.empty()) return error(ErrorCode::invalid_argument, "the image holds no data");
  return chosen;
}

// As a writer does it: the chunks of a frame at once.
void identify(const VaultKeys& keys, ByteView frame) {
  std::array<ByteView, frame_chunks> chunks;
  std::array<ContentId, frame_chunks> ids;
  for (std::size_t i = 0; i < frame_chunks; ++i) chunks[i] = frame.subspan(i * chunk_bytes, chunk_bytes);
  keys.chunk_ids(chunks, ids);
}

// Writes as packs are put, by 32 MiB past the page cache, and reads back.
Result<> measure_store(const std::vector<Bytes>& sealed, const std::filesystem::path& folder, double bytes,
                       StageSpeeds& speeds) {
  const auto store = TRY(LocalStore::open(folder / "stage-speeds"));
  std::uint64_t total = 0;
  for (const Bytes& frame : sealed) total += frame.size();
  PageBuffer pack(32 * mib);
  std::ranges::fill(pack.span(), std::byte{1});
  const std::uint64_t packs = std::max<std::uint64_t>(1, total / pack.size());
  const double of_all = static_cast<double>(total) / static_cast<double>(packs * pack.size());
  Result<> failed;
  const double writing = seconds_of([&] {
    for (std::uint64_t i = 0; i < packs && failed.ok(); ++i) {
      failed = store->put(fmt::format("data/{}", i), pack.view());
    }
  });
  const double reading = seconds_of([&] {
    for (std::uint64_t i = 0; i < packs && failed.ok(); ++i) {
      failed = store->read_at(fmt::format("data/{}", i), 0, pack.span());
    }
  });
  speeds.write = bytes / (writing * of_all);
  speeds.read = bytes / (reading * of_all);
  std::error_code ignored;
  std::filesystem::remove_all(folder / "stage-speeds", ignored);
  return failed;
}

}  // namespace

Result<StageSpeeds> measure_stages(BlockSource& source, std::uint64_t sample_bytes, int level,
                                   const std::filesystem::path& folder) {
  const auto units = TRY(sample(source, sample_bytes));
  const double bytes = static_cast<double>(units.size() * unit);
  const AeadKey key{};
  const VaultKeys keys(key);
  std::vector<Bytes> plain(units.size(), Bytes(unit));
  std::vector<Bytes> packed(units.size());
  Result<> failed;
  StageSpeeds speeds;
  speeds.copy = bytes / seconds_of([&] {
                  for (std::size_t i = 0; i < units.size() && failed.ok(); ++i)
                    failed = source.read_at(units[i], plain[i]);
                });
  TRY(Result<>(failed));
  speeds.hash = bytes / seconds_of([&] {
                  for (const Bytes& content : plain) identify(keys, content);
                });
  speeds.compress = bytes / seconds_of([&] {
                      for (std::size_t i = 0; i < plain.size(); ++i)
                        packed[i] = encode_frame(plain[i], frame_chunks, level);
                    });
  std::vector<Bytes> sealed;
  for (const Bytes& frame : packed) sealed.emplace_back(frame.size() + aead_tag_bytes);
  speeds.encrypt = bytes / seconds_of([&] {
                     for (std::size_t i = 0; i < packed.size(); ++i)
                       aead_seal(key, {}, {}, packed[i], sealed[i]);
                   });
  TRY(measure_store(sealed, folder, bytes, speeds));
  speeds.decrypt = bytes / seconds_of([&] {
                     for (std::size_t i = 0; i < sealed.size() && failed.ok(); ++i) {
                       failed = aead_open(key, {}, {}, sealed[i], packed[i]);
                     }
                   });
  speeds.decompress = bytes / seconds_of([&] {
                        for (const Bytes& frame : packed) {
                          const auto content = decode_frame(frame);
                          if (!content.ok() && failed.ok()) failed = content.error();
                        }
                      });
  TRY(Result<>(failed));
  return speeds;
}

}  // namespace rekindle
