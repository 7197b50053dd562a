#include "aws/s3_fault.h"

#include <algorithm>

namespace rekindle {

namespace {

bool one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

std::string said(const AwsFault& fault) {
  return fault.message.empty() ? fault.code : fmt::format("{}: {}", fault.code, fault.message);
}

bool says_other_region(const AwsFault& fault) {
  return fault.status == 301 || fault.status == 307 ||
         one_of(fault.code, {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
                             "IllegalLocationConstraintException"});
}

Error other_region(const AwsFault& fault, const HttpResponse& response, const S3FaultContext& context) {
  const std::string_view region = response.headers.get("x-amz-bucket-region");
  const std::string is_in = region.empty() ? "in another region" : fmt::format("in {}", region);
  return error(ErrorCode::failed_precondition,
               "the bucket {} is {}, not in {}: give its --region to `rekindle vault create` ({})",
               context.bucket, is_in, context.region, said(fault));
}

Error unknown_key(const AwsFault& fault, const S3FaultContext& context) {
  return error(ErrorCode::unauthenticated,
               "S3 does not know the access key {}: check it, then give the right one to `rekindle vault "
               "create` or `rekindle account add` ({})",
               context.access_key_id, said(fault));
}

Error wrong_secret(const AwsFault& fault, const S3FaultContext& context) {
  return error(ErrorCode::unauthenticated,
               "S3 refused the signature made with access key {}: its secret is wrong; give the right one to "
               "`rekindle vault create` or `rekindle account add` ({})",
               context.access_key_id, said(fault));
}

Error wrong_time(const AwsFault& fault, const S3FaultContext& context) {
  return error(ErrorCode::unauthenticated,
               "the credentials of access key {} are expired, or this machine's clock is wrong: renew them, "
               "check the time ({})",
               context.access_key_id, said(fault));
}

Error not_allowed(const AwsFault& fault, const S3FaultContext& context) {
  return error(ErrorCode::permission_denied,
               "access key {} may not call s3:{} in the bucket {}: allow it in the policies of its user and "
               "of the bucket; docs/s3.md lists what is needed ({})",
               context.access_key_id, context.action, context.bucket, said(fault));
}

}  // namespace

Error s3_error(const AwsFault& fault, const HttpResponse& response, const S3FaultContext& context) {
  if (fault.code == "NoSuchBucket") {
    return error(ErrorCode::failed_precondition,
                 "there is no bucket {}: make it in {} first, or give the right name ({})", context.bucket,
                 context.region, said(fault));
  }
  if (says_other_region(fault)) return other_region(fault, response, context);
  if (one_of(fault.code, {"InvalidAccessKeyId", "InvalidToken", "XAdminUserNotFound"}))
    return unknown_key(fault, context);
  if (fault.code == "SignatureDoesNotMatch") return wrong_secret(fault, context);
  if (one_of(fault.code, {"RequestTimeTooSkewed", "ExpiredToken", "RequestExpired"}))
    return wrong_time(fault, context);
  if (fault.code == "AccessDenied" || fault.status == 403) return not_allowed(fault, context);
  if (fault.code == "NotImplemented" || fault.status == 501) {
    return error(ErrorCode::failed_precondition, "the server of the bucket {} does not know s3:{} ({})",
                 context.bucket, context.action, said(fault));
  }
  // 409: another call for the same name is under way, or was a moment ago.
  if (one_of(fault.code, {"ConditionalRequestConflict", "OperationAborted"})) {
    return error(ErrorCode::unavailable, "{}: {}", context.action, said(fault));
  }
  if (fault.status == 412) return error(ErrorCode::already_exists, "{}: {}", context.action, said(fault));
  if (fault.status == 404) return error(ErrorCode::not_found, "{}: {}", context.action, said(fault));
  if (fault.status == 507 || one_of(fault.code, {"QuotaExceeded", "XMinioStorageFull"})) {
    return error(ErrorCode::exhausted,
                 "the bucket {} is full: free space or add some, then run it again ({})", context.bucket,
                 said(fault));
  }
  return to_error(fault, {"s3", context.action, context.access_key_id});
}

}  // namespace rekindle
