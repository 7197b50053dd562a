// Writes one recovery point.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "disk/block_device.h"
#include "vault/point.h"
#include "vault/run_index.h"
#include "vault/tree_writer.h"

namespace rekindle {

struct NewDisk {
  DiskId id;
  std::uint64_t size_bytes = 0;
};

struct NewPoint {
  RecoveryPointId
      id;  // chosen by the caller, e.g. from the job: committing the same content again is a success
  MachineId machine;
  // What is not written is as in this point of the same machine; without it, zeros.
  std::optional<RecoveryPointId> parent;
  std::vector<NewDisk> disks;
};

struct WriterOptions {
  std::size_t threads = 0;                            // that hash, compress and encrypt; 0: one per core
  std::size_t readers = 4;                            // of copy()
  int compression_level = 1;                          // of zstd; 0 stores plain
  std::size_t pack_bytes = 32 * mib;                  // room for two frames at least
  std::size_t frame_chunks = rekindle::frame_chunks;  // that are compressed as one; that many or a part of it
};

// Hash, deduplicate, compress, encrypt, pack and put, on threads of its own behind bounded queues: about 130
// MiB for packs, the rest is small. Any number of threads may write; each range at most once. After an error
// the writer is of no use: drop it; nothing of it is visible, and what it had stored is used by the next
// writer. `exhausted`: the store is full. `unavailable`: the store is away.
class PointWriter {
 public:
  struct Services {  // of the vault; all outlive the writer
    ObjectStore& store;
    const VaultKeys& keys;
    Random& random;
    Index& index;
    TreeReader& trees;
    Time begun;  // of the store, before the index was refreshed: see write_lease.h
  };
  // See Vault::begin_point, which makes it.
  PointWriter(const Services& services, NewPoint point, const std::optional<VaultPoint>& parent,
              WriterOptions options);
  ~PointWriter();

  // `offset` is a multiple of 64 KiB, and so is the length, unless the bytes reach the end of the disk. What
  // equals the parent, is known to the vault, or is zero, is not stored.
  Result<> write(const DiskId& disk, std::uint64_t offset, ByteView bytes);
  // The range holds zeros; aligned as for write().
  Result<> zero(const DiskId& disk, Extent range);
  // Reads `areas` of `source` (any alignment: whole chunks are read) on several threads and writes them;
  // holes of the source are not read. `progress` is told how many more bytes of the areas are done, from any
  // thread.
  Result<> copy(const DiskId& disk, BlockSource& source, const Extents& areas, std::stop_token stop = {},
                const std::function<void(std::uint64_t bytes)>& progress = {});

  // Makes the point visible, atomically: after success it is durable and whole. `already_exists` if there is
  // another point with this id and other content. Once.
  Result<VaultPoint> commit(Time time, std::string metadata);

 private:
  struct Disk;
  struct Job {
    Disk* disk = nullptr;
    std::uint64_t first_chunk = 0;
    PageBuffer buffer;
    std::size_t length = 0;  // of the content in it: whole chunks, at most a frame's
    ByteView content() const { return buffer.view().first(length); }
  };
  struct Chunk;

  Result<Disk*> find_disk(const DiskId& id);
  Result<> check_range(const Disk& disk, Extent range) const;
  // For bytes that begin at `offset`; the last chunk of a disk is padded with zeros.
  Job new_job(Disk& disk, std::uint64_t offset, std::size_t bytes);
  Result<> submit(Job job);
  Result<> copy_window(Disk& disk, BlockSource& source, Extent window);
  void work();
  Result<> process(const Job& job);
  // One chunk for each slot, with its id; no id where there are only zeros.
  void identify(const Job& job, std::vector<Chunk>& chunks) const;
  Result<> classify(const Job& job, std::vector<Chunk>& chunks);
  static ByteView gathered(const Job& job, std::span<const std::size_t> slots);
  Result<> store_new(const Job& job, std::vector<Chunk>& chunks);
  Result<Ref> store_page(const TreePage& page);
  void fail(const Error& error);
  Result<> failure() const;
  Result<> put_point(VaultPoint& point);

  const Services services_;
  const NewPoint point_;
  const WriterOptions options_;
  const std::uint64_t frame_bytes_ = options_.frame_chunks * chunk_bytes;
  RunIndex run_index_;
  PackWriter data_packs_;
  PackWriter tree_packs_;
  std::vector<std::unique_ptr<Disk>> disks_;

  std::atomic<std::uint64_t> bytes_read_ = 0;
  std::atomic<std::uint64_t> chunks_new_ = 0;
  std::atomic<std::uint64_t> chunks_deduplicated_ = 0;
  std::atomic<std::uint64_t> chunks_unchanged_ = 0;
  std::atomic<std::uint64_t> chunks_zero_ = 0;

  mutable std::mutex mutex_;
  std::optional<Error> failure_;
  PageBufferPool buffers_{frame_bytes_};
  BoundedQueue<Job> jobs_;
  std::vector<std::jthread> workers_;
};

}  // namespace rekindle
