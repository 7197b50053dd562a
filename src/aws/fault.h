// What an AWS service answers instead of a result, and what it means to us.
#pragma once

#include <string>

#include "base/result.h"
#include "net/http.h"

namespace rekindle {

struct AwsFault {
  int status = 0;
  std::string code;                // "InvalidSnapshot.NotFound"; "HTTP 502" when the answer names none
  std::string message;             // AWS's sentence
  std::string reason;              // EBS: "INVALID_BLOCK_TOKEN"
  std::string access_key_id = {};  // with which the call was signed; read_fault() does not know it
  // Of a call that makes something: an attempt before this one may have made it, so that this is no refusal.
  bool after_lost_attempt = false;
};

// Reads the four forms: EC2's <Response><Errors><Error>, STS's <ErrorResponse><Error>, S3's <Error>, and the
// JSON of EBS with its x-amzn-ErrorType header.
AwsFault read_fault(const HttpResponse& response);

// Whether the same call may be sent again.
enum class FaultClass {
  final,      // it will be refused again
  throttled,  // too many calls; nothing was done
  broken,     // the service failed; it may have done what was asked
};

// By the tables of https://docs.aws.amazon.com/ebs/latest/userguide/error-retries.html and
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html. Lack of capacity comes as HTTP
// 500 and is final all the same: the way out is another zone or type.
FaultClass classify(const AwsFault& fault);

// The thing named was not found. Right after it was made this may be a lie.
bool says_not_found(const AwsFault& fault);
// The policies of the caller do not allow it. What they ask of the thing's tags is refused, too, right after
// it was made and when it is gone.
bool says_not_allowed(const AwsFault& fault);
// The thing named is there, and not in a state for the call.
bool says_wrong_state(const AwsFault& fault);
// It may be a matter of our clock being wrong (checked against the server's Date by the caller).
bool may_be_clock_skew(const AwsFault& fault);
// Others may be taken: the session has ended, or the key is not known (any more).
bool wants_other_credentials(const AwsFault& fault);

struct FaultContext {
  std::string service;  // "ec2"
  std::string action;   // "RunInstances"
  std::string access_key_id;
};

// The sentence for people, with what to do about it. After a lost attempt none is a refusal
// (site/refusal.h).
Error to_error(const AwsFault& fault, const FaultContext& context);

}  // namespace rekindle
