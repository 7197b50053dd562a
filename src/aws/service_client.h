// One AWS service in one region, called with signed requests: retries, a retry budget, time limits per
// attempt and a clock that follows the server's.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "aws/attempt_time.h"
#include "aws/call_quota.h"
#include "aws/credentials.h"
#include "aws/fault.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/retry.h"
#include "net/http.h"

namespace rekindle {

struct ServiceOptions {
  std::string service;   // "ec2": in the signature, and in the address of the real AWS
  std::string region;    // "eu-central-1"
  std::string endpoint;  // "http://127.0.0.1:5555"; empty: the real AWS
  Credentials credentials;
  RetryPolicy retries{8, std::chrono::milliseconds(200), std::chrono::milliseconds(20000)};
};

struct ServiceCall {
  std::string action;      // "RunInstances": for messages
  std::string path = "/";  // with query, encoded
  HttpRequest request;     // its url is made from the endpoint and `path`
  Payload payload = Payload::hashed;
  // False: the call has no token and may have been done when its answer is lost, so it is not sent again
  // then.
  bool repeatable = true;
  int attempts = 0;  // 0: as the options say
  // For how long from now "not found" is taken for the staleness of something just made, and asked again; so
  // is, for ten seconds at most, "not allowed", which is said of what does not show its tags yet.
  std::chrono::milliseconds settle_for{0};
  // True: after an attempt whose answer was lost, "not found" most likely means that it took effect.
  bool removes = false;
  // True: after an attempt whose answer was lost, no error is a refusal (AwsFault::after_lost_attempt).
  bool makes = false;
  CallQuota* quota = nullptr;           // each attempt takes its turn; outlives the call
  AttemptTime* attempt_time = nullptr;  // unless null, in place of request.timeout; outlives the call
  // Throttling is waited out, however long it lasts, until the request's stop.
  bool patient = false;
};

struct ServiceReply {
  HttpResponse response;
  std::optional<AwsFault> fault;  // none: the status is 2xx
};

// So that a broken service is not buried under retries: every retry costs, every success gives a little back.
// Full, it pays for a retry of all puts that some disks have on the way: what breaks the line, breaks them
// all.
class RetryBudget {
 public:
  bool spend();
  void earn();

 private:
  static constexpr int full = 4000;
  static constexpr int price = 5;
  std::mutex mutex_;
  int tokens_ = full;
};

// Any number of threads.
class ServiceClient {
 public:
  // The references outlive this; `random` allows any thread. `invalid_argument` when the endpoint is no URL.
  static Result<std::unique_ptr<ServiceClient>> make(ServiceOptions options, HttpTransport& transport,
                                                     Clock& clock, Random& random);

  // The service's own answer, retried as far as it is safe. Errors: those of the transport and of the
  // credentials; `cancelled` when the request's stop was requested between attempts. Each attempt
  // passes the crash points "call/<action>/sent" and, when there is an answer, "call/<action>/answered".
  Result<ServiceReply> send(ServiceCall call);
  // The same, with a fault as an Error.
  Result<HttpResponse> call(ServiceCall call);

  Error error_of(const AwsFault& fault, std::string_view action) const;
  const ServiceOptions& options() const { return options_; }

 private:
  ServiceClient(ServiceOptions options, HttpTransport& transport, Clock& clock, Random& random);
  Result<ServiceReply> send_once(ServiceCall& call, const AwsCredentials& credentials);
  Result<HttpResponse> transfer(ServiceCall& call);
  Result<ServiceReply> send_attempts(ServiceCall& call, bool& lost_one);
  bool renew_credentials(const ServiceCall& call, const ServiceReply& reply,
                         const AwsCredentials& credentials);
  bool follow_server_clock(const ServiceReply& reply);
  std::optional<std::chrono::milliseconds> pause_before_retry(const ServiceCall& call,
                                                              const Result<ServiceReply>& reply, int attempt,
                                                              std::chrono::nanoseconds elapsed);

  const ServiceOptions options_;
  HttpTransport& transport_;
  Clock& clock_;
  Random& random_;
  RetryBudget budget_;
  std::atomic<std::int64_t> clock_offset_ms_{0};  // the server's time minus ours
};

// "Sun, 22 Nov 2026 22:42:46 GMT" (RFC 9110 section 5.6.7), the Date header of an answer.
std::optional<Time> parse_http_date(std::string_view text);

}  // namespace rekindle
