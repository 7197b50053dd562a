// The store of a vault, as its settings say: a directory or a bucket, with retries and limits around it.
#pragma once

#include <memory>
#include <vector>

#include "aws/credentials.h"
#include "base/clock.h"
#include "base/random.h"
#include "model/settings.h"
#include "net/http.h"
#include "store/object_store.h"

namespace rekindle {

class S3Store;

class VaultStore {
 public:
  // `credentials` are for S3 only. The references outlive this; `random` allows any thread. Errors of
  // LocalStore::open and S3Store::open.
  static Result<VaultStore> open(const VaultSettings& settings, const Credentials& credentials,
                                 HttpTransport& transport, Clock& clock, Random& random);

  ObjectStore& store() { return *layers_.back(); }
  S3Store* s3() { return s3_; }  // null: a directory

 private:
  std::vector<std::unique_ptr<ObjectStore>> layers_;  // each refers to the one before
  S3Store* s3_ = nullptr;
};

}  // namespace rekindle
