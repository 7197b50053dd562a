#include "app/vault_store.h"

#include "aws/s3_store.h"
#include "store/local_store.h"
#include "store/retrying_store.h"
#include "store/throttled_store.h"
#include "vault/vault_keep.h"

namespace rekindle {

namespace {

// Around those of the S3 client, which take a minute: a line that is down for some minutes ends no backup.
constexpr RetryPolicy store_retries{6, std::chrono::milliseconds(1000), std::chrono::milliseconds(30000)};

Result<S3StoreOptions> s3_options(const VaultSettings& settings, const Credentials& credentials) {
  constexpr std::string_view scheme = "s3://";
  if (!settings.s3.starts_with(scheme)) {
    return error(ErrorCode::invalid_argument, "'{}' is not a place on S3 like s3://bucket/prefix",
                 settings.s3);
  }
  std::string prefix = settings.s3.substr(scheme.size());
  const std::string bucket = prefix.substr(0, prefix.find('/'));
  prefix.erase(0, bucket.size() + 1);
  while (prefix.ends_with('/')) prefix.pop_back();
  // At the root of a bucket, uploads and versions of other programs could not be told from ours.
  if (bucket.empty() || prefix.empty()) {
    return error(
        ErrorCode::invalid_argument,
        "'{}' names no folder in the bucket: give the vault one of its own, as in s3://bucket/rekindle",
        settings.s3);
  }

  S3StoreOptions options;
  options.bucket = {bucket, settings.region, settings.endpoint, {}, credentials};
  options.prefix = prefix;
  options.lock = {settings.lock_days, settings.lock_mode == "governance" ? "GOVERNANCE" : "COMPLIANCE",
                  never_locked()};
  return options;
}

}  // namespace

Result<VaultStore> VaultStore::open(const VaultSettings& settings, const Credentials& credentials,
                                    HttpTransport& transport, Clock& clock, Random& random) {
  VaultStore opened;
  auto& layers = opened.layers_;
  if (settings.s3.empty()) {
    layers.push_back(TRY(LocalStore::open(settings.directory)));
  } else {
    const S3StoreOptions options = TRY(s3_options(settings, credentials));
    auto s3 = TRY(S3Store::open(options, transport, clock, random));
    opened.s3_ = s3.get();
    layers.push_back(std::move(s3));
  }
  if (settings.limit_upload > 0 || settings.limit_download > 0) {
    const Bandwidth limit{settings.limit_upload, settings.limit_download};
    layers.push_back(std::make_unique<ThrottledStore>(opened.store(), limit, clock));
  }
  if (opened.s3_ != nullptr)
    layers.push_back(std::make_unique<RetryingStore>(opened.store(), store_retries, clock, random));
  return opened;
}

}  // namespace rekindle
