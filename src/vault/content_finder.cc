#include "vault/content_finder.h"

namespace rekindle {

Result<> ContentFinder::attempt_known(ObjectKind kind, const Ref& ref, const Error& failure,
                                      const Attempt& attempt) {
  const auto entries = TRY(index_.find_all(ref.id));
  for (const IndexEntry& entry : entries) {
    if (entry.kind != kind || entry.place == ref.place) continue;
    Result<> done = attempt(entry.place);
    if (done.ok() || done.error().code() != ErrorCode::corrupt) return done;
  }
  return failure;
}

Result<> ContentFinder::try_elsewhere(ObjectKind kind, const Ref& ref, const Error& failure,
                                      const Attempt& attempt) {
  if (failure.code() != ErrorCode::corrupt) return failure;
  Result<> known = attempt_known(kind, ref, failure, attempt);
  if (known.ok() || known.error().code() != ErrorCode::corrupt) return known;
  {
    // Who waits here while another reads the index for the same pack must look again, too.
    const std::lock_guard lock(mutex_);
    if (!asked_.contains(ref.place.pack)) TRY(index_.refresh());
    asked_.insert(ref.place.pack);
  }
  return attempt_known(kind, ref, failure, attempt);
}

}  // namespace rekindle
