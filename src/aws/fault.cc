#include "aws/fault.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "aws/query_answer.h"
#include "site/refusal.h"

namespace rekindle {

namespace {

using Codes = std::initializer_list<std::string_view>;

bool one_of(std::string_view code, Codes codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void read_xml_fault(const HttpResponse& response, AwsFault& fault) {
  const auto answer = QueryAnswer::parse(response.body);
  if (!answer.ok()) return;
  const QueryElement root = answer->root();
  const QueryElement list = root.child("Errors");
  const QueryElement entry = root.name() == "Error" ? root : (list ? list : root).child("Error");
  if (const std::string code = entry.text("Code"); !code.empty()) fault.code = code;
  fault.message = entry.text("Message");
}

// "ValidationException:http://internal.amazon.com/..." or "com.amazonaws.ebs#ValidationException"
std::string bare_type(std::string_view type) {
  type = type.substr(0, type.find(':'));
  if (const auto hash = type.find('#'); hash != std::string_view::npos) type = type.substr(hash + 1);
  return std::string(type);
}

void read_json_fault(const HttpResponse& response, AwsFault& fault) {
  const auto body = nlohmann::json::parse(response.body_text(), nullptr, false);
  if (!body.is_object()) return;
  auto text = [&](const char* name) {
    const auto at = body.find(name);
    return at != body.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  std::string type(response.headers.get("x-amzn-ErrorType"));
  if (type.empty()) type = text("__type");
  if (!type.empty()) fault.code = bare_type(type);
  fault.message = text("Message").empty() ? text("message") : text("Message");
  fault.reason = text("Reason");
}

// UnauthorizedOperation carries a kilobyte of encoded text that says nothing to a reader.
std::string readable(const AwsFault& fault) {
  std::string message = fault.message.substr(0, fault.message.find(" Encoded authorization failure"));
  if (message.empty()) message = fault.reason;
  return message.empty() ? fault.code : fmt::format("{}: {}", fault.code, message);
}

bool says_unknown_caller(std::string_view code) {
  return one_of(code,
                {"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId",
                 "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature",
                 "IncompleteSignatureException"});
}

bool says_wrong_secret(std::string_view code) {
  return one_of(code, {"SignatureDoesNotMatch", "InvalidSignatureException"});
}

// The same code as for a wrong secret.
bool says_wrong_region(const AwsFault& fault) {
  return says_wrong_secret(fault.code) &&
         contains(fault.message, "Credential should be scoped to a valid region");
}

bool says_expired(std::string_view code) {
  return one_of(code, {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed",
                       "RequestInTheFuture"});
}

bool says_exhausted(std::string_view code) {
  return code.starts_with("Insufficient") || code.ends_with("LimitExceeded") ||
         one_of(code, {"ServiceQuotaExceededException", "ConcurrentLimitExceededException",
                       "AddressLimitExceeded", "MaxSpotInstanceCountExceeded"});
}

bool says_exists(std::string_view code) {
  return code.ends_with(".Duplicate") || code.ends_with("AlreadyExists") ||
         one_of(code, {"IdempotentParameterMismatch", "ConflictException"});
}

ErrorCode code_of(const AwsFault& fault) {
  const std::string_view code = fault.code;
  if (classify(fault) != FaultClass::final) return ErrorCode::unavailable;
  if (says_not_found(fault)) return ErrorCode::not_found;
  if (says_exhausted(code)) return ErrorCode::exhausted;
  if (says_exists(code)) return ErrorCode::already_exists;
  if (says_wrong_state(fault)) return ErrorCode::failed_precondition;
  if (one_of(code, {"InvalidAction", "UnknownOperationException", "InvalidVersion"}))
    return ErrorCode::internal;
  if (fault.status >= 400 && fault.status < 500) return ErrorCode::invalid_argument;
  return ErrorCode::internal;
}

std::string advice_for(ErrorCode code, std::string_view fault_code) {
  if (code == ErrorCode::exhausted && fault_code.ends_with("LimitExceeded")) {
    return "; ask for more in AWS Service Quotas, or free some";
  }
  if (code == ErrorCode::unavailable) return "; tried several times; try again later";
  if (fault_code == "InvalidAction") return "; does the endpoint offer this service?";
  return "";
}

}  // namespace

AwsFault read_fault(const HttpResponse& response) {
  AwsFault fault{response.status, fmt::format("HTTP {}", response.status), "", ""};
  const std::string_view body = response.body_text();
  const auto start = body.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && body[start] == '<') {
    read_xml_fault(response, fault);
  } else {
    read_json_fault(response, fault);
  }
  return fault;
}

FaultClass classify(const AwsFault& fault) {
  if (one_of(fault.code,
             {"RequestLimitExceeded", "EC2ThrottledException", "Throttling", "ThrottlingException",
              "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown"})) {
    return FaultClass::throttled;
  }
  if (fault.code.starts_with("Insufficient")) return FaultClass::final;
  // Not known to the server, and no room: asking again does not help.
  if (fault.code == "NotImplemented" || fault.status == 501 || fault.status == 507) return FaultClass::final;
  // S3: the bytes did not arrive, or not as they were sent.
  if (one_of(fault.code, {"RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"})) {
    return FaultClass::broken;
  }
  // A put that reached a storage node which could not read it.
  if (fault.code == "ValidationException" && contains(fault.message, "Failed to read block data")) {
    return FaultClass::broken;
  }
  if (fault.status == 429) return FaultClass::throttled;
  return fault.status >= 500 ? FaultClass::broken : FaultClass::final;
}

bool says_not_found(const AwsFault& fault) {
  return fault.code.ends_with(".NotFound") || fault.code == "ResourceNotFoundException" ||
         fault.reason == "SNAPSHOT_NOT_FOUND" ||
         (fault.code == "ValidationException" && contains(fault.message, "does not exist"));
}

bool says_not_allowed(const AwsFault& fault) {
  return one_of(fault.code, {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException",
                             "OptInRequired", "Client.UnauthorizedOperation"});
}

bool says_wrong_state(const AwsFault& fault) {
  return fault.code.starts_with("Incorrect") || fault.code.ends_with(".InUse") ||
         one_of(fault.code, {"VolumeInUse", "DependencyViolation", "InvalidAMIID.Unavailable"});
}

bool may_be_clock_skew(const AwsFault& fault) {
  return says_unknown_caller(fault.code) || says_wrong_secret(fault.code) || says_expired(fault.code);
}

bool wants_other_credentials(const AwsFault& fault) {
  return says_unknown_caller(fault.code) ||
         one_of(fault.code, {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidToken"});
}

namespace {

Error explain(const AwsFault& fault, const FaultContext& context) {
  const std::string said = readable(fault);
  if (says_unknown_caller(fault.code)) {
    return error(
        ErrorCode::unauthenticated,
        "AWS refused the access key {}: check the key and its secret with `rekindle account add` ({})",
        context.access_key_id, said);
  }
  if (says_wrong_region(fault)) {
    return error(ErrorCode::invalid_argument,
                 "the endpoint does not serve the region that was registered: give the right --region, or "
                 "--endpoint, to `rekindle account add` ({})",
                 said);
  }
  if (says_wrong_secret(fault.code)) {
    return error(
        ErrorCode::unauthenticated,
        "AWS refused the signature made with access key {}: its secret is wrong; set the right one with "
        "`rekindle account add` ({})",
        context.access_key_id, said);
  }
  if (says_expired(fault.code)) {
    return error(ErrorCode::unauthenticated,
                 "the credentials of access key {} are expired, or this machine's clock is wrong: renew "
                 "them, check the "
                 "time ({})",
                 context.access_key_id, said);
  }
  if (says_not_allowed(fault)) {
    return error(
        ErrorCode::permission_denied,
        "access key {} may not call {}:{}: allow the action in the IAM policy of its user or role ({})",
        context.access_key_id, context.service, context.action, said);
  }
  const ErrorCode code = code_of(fault);
  return error(code, "{}: {}{}", context.action, said, advice_for(code, fault.code));
}

}  // namespace

Error to_error(const AwsFault& fault, const FaultContext& context) {
  Error said = explain(fault, context);
  return fault.after_lost_attempt ? after_lost_attempt(std::move(said)) : said;
}

}  // namespace rekindle
