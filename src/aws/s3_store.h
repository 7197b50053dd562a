// Objects in a bucket of S3, or of a server that speaks its protocol.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "aws/s3_client.h"
#include "store/object_store.h"

namespace rekindle {

// How long nobody may remove what is put. Needs a bucket made with object lock.
struct S3Lock {
  int days = 0;  // 0: not locked
  // Compliance: not even the account's owner can. Governance: who has s3:BypassGovernanceRetention can.
  std::string mode = "COMPLIANCE";
  // Names that start so are never locked: marks that come and go.
  std::vector<std::string> except;
};

struct S3StoreOptions {
  S3BucketOptions bucket;
  std::string prefix;  // of all keys: "", or "vaults/main"
  S3Lock lock;
  std::uint64_t part_bytes = 16 * mib;  // larger objects go up in parts of this size, at least 5 MiB
  std::size_t part_threads = 4;
};

// What restore_hidden did, in objects.
struct S3Restored {
  std::size_t shown_again = 0;  // a delete marker hid them
  std::size_t laid_bare = 0;    // a later version stood over them
};

// An object of the store is an object of the bucket: prefix, '/', name.
//  1. A put is conditional (If-None-Match) and carries a random id as metadata, so that "it exists" after a
//     lost answer is told from another's object by asking for the id. Hence a put may be sent again.
//  2. Parts become an object, with its lock, in one call; parts whose writer died are removed by the next
//  open
//     that finds them older than a day.
//  3. A server that knows no conditional put is asked first whether the name is free. Then two writers of one
//     name at the same instant can both win: use such a server with one writer only.
// Any number of threads.
class S3Store final : public ObjectStore {
 public:
  // Looks whether the bucket is there and may be used. `failed_precondition`: no such bucket, in another
  // region, or without object lock although a lock is wanted; `unauthenticated`; `permission_denied`;
  // `invalid_argument`. The references outlive the store; `random` allows any thread.
  static Result<std::unique_ptr<S3Store>> open(S3StoreOptions options, HttpTransport& transport, Clock& clock,
                                               Random& random);

  Result<> put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name) override;
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override;
  // All versions of it, so that it no longer costs anything; `permission_denied` says until when it is
  // locked.
  Result<> remove(const std::string& name) override;
  Result<> keep_until(const std::string& name, Time until) override;

  // Brings back what somebody with the bucket's keys hid: removes delete markers, and versions that were put
  // over an object (we put every name once, so the oldest version is ours). Safe to call at any time.
  Result<S3Restored> restore_hidden();
  // Parts of uploads that began before this much time and never ended cost money. How many uploads.
  Result<std::size_t> abort_abandoned_uploads(std::chrono::hours older_than = std::chrono::hours(24));

 private:
  S3Store(S3StoreOptions options, std::unique_ptr<S3Client> client, Clock& clock, Random& random);
  Result<> look_at_bucket();
  std::string key_of(std::string_view name) const;
  bool locks(const std::string& name) const;
  S3Put new_put(const std::string& name);
  Result<> put_once(const std::string& name, ByteView content);
  Result<> put_in_parts(const S3Put& put, ByteView content);
  Result<> put_parts(const S3Put& put, const std::string& upload_id, ByteView content);
  Result<> explain_conflict(const S3Put& put, const std::string& name, Error refused);
  Result<> remove_versions(const std::string& name);
  Error explain_refused_removal(const std::string& key, const std::string& version_id, Error refused);

  const S3StoreOptions options_;
  const std::unique_ptr<S3Client> client_;
  Clock& clock_;
  Random& random_;
  std::atomic<bool> versioned_ = false;
};

}  // namespace rekindle
