// S3's API for one bucket: one method is one call, signed, retried as far as it is safe.
// https://docs.aws.amazon.com/AmazonS3/latest/API/
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/s3_fault.h"
#include "aws/service_client.h"
#include "net/url.h"

namespace rekindle {

struct S3BucketOptions {
  std::string bucket;
  std::string region;
  std::string endpoint;  // "http://127.0.0.1:7070"; empty: the real S3
  // https://endpoint/bucket/key instead of https://bucket.endpoint/key. Not given: by path at an endpoint of
  // one's own, and where a dot in the bucket's name would not fit the TLS certificate.
  std::optional<bool> by_path;
  Credentials credentials;
  RetryPolicy retries{8, std::chrono::milliseconds(200), std::chrono::milliseconds(20000)};
};

// What is known of one object without its content.
struct S3Head {
  std::uint64_t size_bytes = 0;
  std::string put_id;  // what S3Put::put_id was; empty if another program put it
  std::optional<Time> locked_until;
};

struct S3Put {
  std::string key;
  std::string put_id;  // kept with the object, so that a lost answer can be told from another's object
  bool only_if_absent = true;
  std::string lock_mode;             // "COMPLIANCE", "GOVERNANCE"; empty: not locked
  std::optional<Time> locked_until;  // with lock_mode
};

struct S3Object {
  std::string key;
  std::uint64_t size_bytes = 0;
  Time put_at;
};

struct S3Version {
  std::string key;
  std::string version_id;
  bool is_latest = false;
  bool is_delete_marker = false;
};

struct S3Upload {
  std::string key;
  std::string upload_id;
  Time started;
};

struct S3Part {
  std::string etag;
  std::string checksum_sha256;  // base64
};

// Any number of threads. Errors common to all: see s3_error(); and those of the transport.
class S3Client {
 public:
  // Calls nobody yet. The references outlive this; `random` allows any thread. `invalid_argument`: no bucket,
  // a name that no bucket can have, no region, the endpoint is no URL.
  static Result<std::unique_ptr<S3Client>> make(S3BucketOptions options, HttpTransport& transport,
                                                Clock& clock, Random& random);

  // `already_exists`: the server has an object of that name (412); `unavailable` when another call for the
  // name is under way (409); `failed_precondition`: the server knows no conditional puts (501).
  Result<> put(const S3Put& put, ByteView body);
  Result<S3Head> head(const std::string& key, const std::string& version_id = "");
  Result<Bytes> get(const std::string& key);
  // `corrupt` if the object ends before.
  Result<> get_range(const std::string& key, std::uint64_t offset, ByteSpan bytes);
  // Absent is fine. True: this was hidden behind a delete marker, not removed.
  Result<bool> remove(const std::string& key, const std::string& version_id = "");
  // All pages.
  Result<std::vector<S3Object>> list(const std::string& prefix);
  // All versions, and the delete markers among them; of one key the newest first, markers apart.
  Result<std::vector<S3Version>> versions(const std::string& prefix);

  Result<std::string> start_upload(const S3Put& put);
  Result<S3Part> put_part(const std::string& key, const std::string& upload_id, std::size_t number,
                          ByteView body);
  // Errors as those of put.
  Result<> complete_upload(const S3Put& put, const std::string& upload_id, const std::vector<S3Part>& parts);
  // Absent is fine.
  Result<> abort_upload(const std::string& key, const std::string& upload_id);
  Result<std::vector<S3Upload>> uploads(const std::string& prefix);

  Result<bool> is_versioned();
  Result<bool> has_object_lock();
  Result<> lock(const std::string& key, const std::string& mode, Time until);

  // The server answered a conditional put with "not implemented".
  bool refuses_conditions() const { return refuses_conditions_; }

 private:
  S3Client(S3BucketOptions options, std::unique_ptr<ServiceClient> service, bool by_path);
  ServiceCall call_of(std::string action, std::string method, const std::string& key,
                      const QueryParameters& query = {}) const;
  Result<HttpResponse> response_of(ServiceReply reply, const std::string& action) const;
  Result<HttpResponse> send(ServiceCall call);
  Result<HttpResponse> send_put(ServiceCall call, const S3Put& put);

  const S3BucketOptions options_;
  const std::unique_ptr<ServiceClient> service_;
  const bool by_path_;
  std::atomic<bool> refuses_conditions_ = false;
};

}  // namespace rekindle
