// A disk of a recovery point, read from the vault.
#pragma once

#include <memory>

#include "disk/block_device.h"
#include "vault/content_finder.h"
#include "vault/frame_cache.h"
#include "vault/point.h"
#include "vault/read_ahead.h"
#include "vault/tree_reader.h"

namespace rekindle {

struct VaultDiskOptions {
  std::uint64_t cache_bytes = 16 * mib;  // of opened frames
  // How far to fetch ahead of who reads on and on in small steps; 0: nothing is ever fetched unasked, as who
  // reads large areas on many threads wants it.
  std::uint64_t read_ahead_bytes = 0;
};

// Any number of threads. Every byte is authenticated and compared with its id: the right bytes, or `corrupt`
// with the name of the damaged object. A large read (a few MiB) is the fast one: frames that lie together are
// read from the store with one call and decompressed straight into the reader's bytes.
class VaultDisk final : public BlockSource {
 public:
  // All outlive this.
  VaultDisk(PackReader& packs, TreeReader& trees, const VaultKeys& keys, ContentFinder& finder,
            PointDisk disk, const VaultDiskOptions& options = {});

  std::uint64_t size() const override { return disk_.size_bytes; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  // By whole chunks of 64 KiB, from the tree, without reading data.
  Result<Extents> data_extents(Extent range) override;
  void will_read(Extent range) override;

 private:
  struct Piece {  // what of a chunk is wanted; no bytes: into the cache
    Ref ref;
    std::uint64_t skip = 0;
    ByteSpan bytes;
  };
  struct FrameUse {
    Place place;
    std::span<const Piece> pieces;
    bool wants_much = false;
    FrameCache::Claim claim;  // empty: past the cache, straight into the pieces' bytes
    Result<> outcome;
  };
  struct Failure {
    Piece piece;
    Error why;
  };

  Result<std::vector<Piece>> pieces_of(std::uint64_t offset, ByteSpan bytes);
  void prefetch(Extent range);
  // Reads all pieces where they are said to lie; returns those that are not there.
  std::vector<Failure> read_in_place(std::vector<Piece> pieces);
  Result<> read_elsewhere(const std::vector<Failure>& failures);
  std::vector<FrameUse> uses_of(std::vector<Piece>& pieces);
  static bool wants_much(std::span<const Piece> pieces);
  static bool in_order(std::span<const Piece> pieces);
  static Result<> decode_into(std::span<const Piece> pieces, ByteView encoded, std::size_t length);
  void load(std::vector<FrameUse>& uses);
  void load_run(std::span<FrameUse*> run);
  // Of whole chunks.
  Result<> check_ids(std::span<const Piece> pieces) const;
  Result<> take(FrameUse& use, ByteView encoded);
  Result<> serve(const FrameUse& use);
  Error wrong_chunk(const Place& place) const;

  PackReader& packs_;
  TreeReader& trees_;
  const VaultKeys& keys_;
  ContentFinder& finder_;
  const PointDisk disk_;
  FrameCache frames_;
  std::unique_ptr<ReadAhead> read_ahead_;  // last: its threads use all others
};

}  // namespace rekindle
