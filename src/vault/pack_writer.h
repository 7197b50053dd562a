// Gathers sealed frames into packs and puts the packs, in the background.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/page_buffer.h"
#include "store/object_store.h"
#include "vault/vault_keys.h"

namespace rekindle {

struct PackFrame {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;  // sealed
  std::vector<ContentId> ids;
};
// What a frame takes in the directory of its pack.
constexpr std::size_t directory_entry_bytes(std::size_t ids) {
  return 9 + ids * sizeof(ContentId);
}

struct PackWriterOptions {
  ObjectKind kind = ObjectKind::data;
  std::size_t pack_bytes = 32 * mib;
  std::size_t threads = 2;  // that put
};

// Memory: at most 2 + threads packs (filling, waiting, being put). Any number of threads may append.
class PackWriter {
 public:
  // Called when a pack is durable, by one thread at a time.
  using OnDurable = std::function<Result<>(const PackName& pack, const std::vector<PackFrame>& frames)>;

  // All references outlive this.
  PackWriter(ObjectStore& store, const VaultKeys& keys, Random& random, PackWriterOptions options,
             OnDurable on_durable);
  // What was not flushed is given up.
  ~PackWriter();

  // `frame` from encode_frame. Waits while too many packs wait to be put. Slot of the place: 0. Any error is
  // one of a put; after it all calls fail.
  Result<Place> append(ByteView frame, std::vector<ContentId> ids);
  // Puts what is open; returns when everything appended is durable. No appends after it.
  Result<> flush();
  // Of the packs that are durable.
  std::uint64_t bytes_put() const;

 private:
  struct Pack {
    Pack(const PackName& pack_name, ObjectCipher object_cipher)
        : name(pack_name), cipher(std::move(object_cipher)) {}
    PackName name;
    ObjectCipher cipher;
    PageBuffer content;  // frames are sealed into it by several threads
    std::size_t used = 0;
    std::size_t directory_bytes = 4;
    std::vector<PackFrame> frames;
    std::size_t being_sealed = 0;
    bool closed = false;
  };
  using PackPointer = std::shared_ptr<Pack>;

  PackPointer new_pack();
  // The open pack, if it is complete now: to be queued by the caller, without the lock.
  PackPointer close_open_pack();
  Result<> queue(PackPointer pack);
  void put_packs();
  Result<> finish_and_put(Pack& pack);
  void fail(Error error);

  ObjectStore& store_;
  const VaultKeys& keys_;
  Random& random_;
  const PackWriterOptions options_;
  const OnDurable on_durable_;

  mutable std::mutex mutex_;
  PackPointer open_;
  std::optional<Error> failure_;
  std::uint64_t bytes_put_ = 0;
  std::mutex durable_mutex_;

  PageBufferPool buffers_{options_.pack_bytes};
  BoundedQueue<PackPointer> full_{1};
  std::vector<std::jthread> threads_;
};

constexpr std::size_t pack_trailer_bytes = 16;

}  // namespace rekindle
