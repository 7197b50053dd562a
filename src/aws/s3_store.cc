#include "aws/s3_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/parallel.h"

namespace rekindle {

namespace {

constexpr std::uint64_t smallest_part = 5 * mib;  // S3 refuses smaller ones, but for the last
constexpr std::size_t most_parts = 10000;

Result<> check_options(const S3StoreOptions& options) {
  if (!options.prefix.empty() && (options.prefix.starts_with('/') || options.prefix.ends_with('/'))) {
    return error(ErrorCode::invalid_argument, "the prefix '{}' begins or ends with a slash: leave it out",
                 options.prefix);
  }
  if (options.lock.days < 0 || (options.lock.mode != "COMPLIANCE" && options.lock.mode != "GOVERNANCE")) {
    return error(ErrorCode::invalid_argument,
                 "a lock of {} days in mode {} cannot be: give 0 days or more, and COMPLIANCE or GOVERNANCE",
                 options.lock.days, options.lock.mode);
  }
  return {};
}

}  // namespace

S3Store::S3Store(S3StoreOptions options, std::unique_ptr<S3Client> client, Clock& clock, Random& random)
    : options_(std::move(options)), client_(std::move(client)), clock_(clock), random_(random) {}

Result<std::unique_ptr<S3Store>> S3Store::open(S3StoreOptions options, HttpTransport& transport, Clock& clock,
                                               Random& random) {
  TRY(check_options(options));
  auto client = TRY(S3Client::make(options.bucket, transport, clock, random));
  std::unique_ptr<S3Store> store(new S3Store(std::move(options), std::move(client), clock, random));
  TRY(store->look_at_bucket(), "opening the bucket {}", store->options_.bucket.bucket);
  return store;
}

Result<> S3Store::look_at_bucket() {
  auto versioned = client_->is_versioned();
  // Not granted: then remove() finds out by itself. All else is final.
  if (!versioned.ok() && versioned.error().code() != ErrorCode::permission_denied)
    return std::move(versioned).error();
  versioned_ = versioned.ok() && *versioned;
  if (options_.lock.days > 0 && !TRY(client_->has_object_lock())) {
    return error(ErrorCode::failed_precondition,
                 "it has no object lock, which --lock-days needs: turn it on for the bucket (docs/s3.md says "
                 "how), or leave the option out");
  }
  const auto aborted = abort_abandoned_uploads();
  if (!aborted.ok()) log::warn("abandoned uploads were not looked for: {}", aborted.error().message());
  return {};
}

std::string S3Store::key_of(std::string_view name) const {
  return options_.prefix.empty() ? std::string(name) : fmt::format("{}/{}", options_.prefix, name);
}

bool S3Store::locks(const std::string& name) const {
  return options_.lock.days > 0 && std::ranges::none_of(options_.lock.except, [&](const std::string& prefix) {
           return name.starts_with(prefix);
         });
}

S3Put S3Store::new_put(const std::string& name) {
  S3Put put{key_of(name), random_.hex(16), !client_->refuses_conditions(), "", {}};
  if (locks(name)) {
    put.lock_mode = options_.lock.mode;
    put.locked_until = clock_.now() + std::chrono::days(options_.lock.days);
  }
  return put;
}

Result<> S3Store::put(const std::string& name, ByteView content) {
  TRY(check_object_name(name));
  const bool was_known = client_->refuses_conditions();
  Result<> done = put_once(name, content);
  if (done.ok() || was_known || !client_->refuses_conditions()) return done;
  log::warn("the server of the bucket {} knows no conditional puts: use it with one writer only",
            options_.bucket.bucket);
  return put_once(name, content);
}

Result<> S3Store::put_once(const std::string& name, ByteView content) {
  const S3Put put = new_put(name);
  if (!put.only_if_absent) {
    const auto there = client_->head(put.key);
    if (there.ok()) return error(ErrorCode::already_exists, "object {} exists in the bucket", name);
    if (there.error().code() != ErrorCode::not_found) return there.error();
  }
  const bool in_parts = content.size() > options_.part_bytes;
  Result<> done = in_parts ? put_in_parts(put, content) : client_->put(put, content);
  if (done.ok()) return {};
  return explain_conflict(put, name, std::move(done).error());
}

// Whose object is it? Ours, if the answer to an earlier attempt was lost.
Result<> S3Store::explain_conflict(const S3Put& put, const std::string& name, Error refused) {
  const bool may_be_ours = refused.code() == ErrorCode::already_exists ||
                           refused.code() == ErrorCode::not_found || refused.transient();
  if (!may_be_ours) return std::move(refused).context("putting object {}", name);
  const auto there = client_->head(put.key);
  if (there.ok() && there->put_id == put.put_id) return {};
  if (there.ok()) return error(ErrorCode::already_exists, "object {} exists in the bucket", name);
  // There was one, and it was removed since; or the upload was aborted by somebody: the same put may work.
  if (there.error().code() == ErrorCode::not_found && !refused.transient())
    return error(ErrorCode::unavailable, "putting object {}: {}", name, refused.message());
  return std::move(refused).context("putting object {}", name);
}

Result<> S3Store::put_in_parts(const S3Put& put, ByteView content) {
  const std::string upload_id = TRY(client_->start_upload(put));
  Result<> done = put_parts(put, upload_id, content);
  if (done.ok()) return {};
  const auto aborted = client_->abort_upload(put.key, upload_id);
  if (!aborted.ok()) log::debug("aborting the upload of {}: {}", put.key, aborted.error().message());
  return done;
}

Result<> S3Store::put_parts(const S3Put& put, const std::string& upload_id, ByteView content) {
  const std::uint64_t part_bytes =
      std::max({smallest_part, options_.part_bytes, content.size() / most_parts + 1});
  const std::size_t count = (content.size() + part_bytes - 1) / part_bytes;
  std::vector<S3Part> parts(count);
  TRY(parallel_for(count, options_.part_threads, {}, [&](std::size_t index) -> Result<> {
    const std::size_t offset = index * part_bytes;
    const ByteView part = content.subspan(offset, std::min<std::size_t>(part_bytes, content.size() - offset));
    parts[index] = TRY(client_->put_part(put.key, upload_id, index + 1, part));
    return {};
  }));
  return client_->complete_upload(put, upload_id, parts);
}

Result<Bytes> S3Store::get(const std::string& name) {
  TRY(check_object_name(name));
  return TRY(client_->get(key_of(name)), "reading object {}", name);
}

Result<> S3Store::read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
  TRY(check_object_name(name));
  if (!bytes.empty()) return client_->get_range(key_of(name), offset, bytes);
  const std::uint64_t there = TRY(size(name));
  if (offset <= there) return {};
  return error(ErrorCode::corrupt, "object {} ends before byte {}", name, offset);
}

Result<std::uint64_t> S3Store::size(const std::string& name) {
  TRY(check_object_name(name));
  const S3Head head = TRY(client_->head(key_of(name)), "the size of object {}", name);
  return head.size_bytes;
}

Result<std::vector<ObjectInfo>> S3Store::list(std::string_view prefix) {
  const std::vector<S3Object> objects = TRY(client_->list(key_of(prefix)), "listing the objects {}*", prefix);
  const std::size_t skip = key_of("").size();
  std::vector<ObjectInfo> found;
  for (const S3Object& object : objects) {
    std::string name = object.key.substr(skip);
    if (!check_object_name(name).ok()) continue;  // not ours
    found.push_back({std::move(name), object.size_bytes, object.put_at});
  }
  // Some kinds of buckets list in another order.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

Result<std::size_t> S3Store::abort_abandoned_uploads(std::chrono::hours older_than) {
  const std::vector<S3Upload> uploads = TRY(client_->uploads(key_of("")));
  std::size_t aborted = 0;
  for (const S3Upload& upload : uploads) {
    if (clock_.now() - upload.started < older_than) continue;
    TRY(client_->abort_upload(upload.key, upload.upload_id), "aborting the upload of {}", upload.key);
    ++aborted;
  }
  return aborted;
}

}  // namespace rekindle
