#include "aws/service_client.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/crash_point.h"
#include "base/log.h"
#include "net/url.h"
#include "site/refusal.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

// The services allow five minutes of difference; what is beyond four is worth correcting.
constexpr milliseconds tolerated_skew = std::chrono::minutes(4);
// "Not found" of something just made clears up within seconds, seldom a minute: ask soon, then seldom.
constexpr RetryPolicy settling{1, milliseconds(400), milliseconds(5000)};
// For so long it is taken for staleness, when a removal that may have taken effect is the other explanation.
constexpr milliseconds settling_of_removed{10000};
// A policy that asks for a tag refuses what does not show it yet: for so long is a refusal taken for that.
constexpr milliseconds settling_of_refused{10000};

std::string default_endpoint(const ServiceOptions& options) {
  const char* suffix = options.region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return fmt::format("https://{}.{}.{}", options.service, options.region, suffix);
}

bool may_have_taken_effect(const Result<ServiceReply>& reply) {
  return !reply.ok() || (reply->fault && classify(*reply->fault) == FaultClass::broken);
}

bool was_throttled(const Result<ServiceReply>& reply) {
  return reply.ok() && reply->fault && classify(*reply->fault) == FaultClass::throttled;
}

// Never `not_found` or the like, which would be read as AWS's word about the thing that was asked for.
Error no_credentials(const Error& why) {
  if (why.transient() || why.code() == ErrorCode::cancelled) return why;
  return error(ErrorCode::unauthenticated, "{}", why.message());
}

}  // namespace

std::optional<Time> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string copy(text);
  char month[4] = {};
  int day = 0;
  int year = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (std::sscanf(copy.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d", &day, month, &year, &hour, &minute,
                  &second) != 6) {
    return std::nullopt;
  }
  const auto* const at = std::find(months.begin(), months.end(), month);
  if (at == months.end()) return std::nullopt;
  const auto number = std::chrono::month(static_cast<unsigned>(at - months.begin()) + 1);
  const auto date = std::chrono::year(year) / number / std::chrono::day(static_cast<unsigned>(day));
  if (!date.ok()) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

bool RetryBudget::spend() {
  const std::lock_guard lock(mutex_);
  if (tokens_ < price) return false;
  tokens_ -= price;
  return true;
}

void RetryBudget::earn() {
  const std::lock_guard lock(mutex_);
  tokens_ = std::min(full, tokens_ + 1);
}

ServiceClient::ServiceClient(ServiceOptions options, HttpTransport& transport, Clock& clock, Random& random)
    : options_(std::move(options)), transport_(transport), clock_(clock), random_(random) {}

Result<std::unique_ptr<ServiceClient>> ServiceClient::make(ServiceOptions options, HttpTransport& transport,
                                                           Clock& clock, Random& random) {
  if (options.endpoint.empty()) {
    if (options.region.empty()) {
      return error(ErrorCode::invalid_argument,
                   "the AWS account names no region; give one, like eu-central-1");
    }
    options.endpoint = default_endpoint(options);
  }
  const Url url = TRY(parse_url(options.endpoint), "the endpoint of {}", options.service);
  options.endpoint = url.origin();
  return std::unique_ptr<ServiceClient>(new ServiceClient(std::move(options), transport, clock, random));
}

Result<HttpResponse> ServiceClient::transfer(ServiceCall& call) {
  if (call.attempt_time == nullptr) return transport_.send(call.request);
  const milliseconds allowed = call.attempt_time->limit();
  call.request.timeout = allowed;
  const auto started = clock_.ticks();
  auto response = transport_.send(call.request);
  const auto took = std::chrono::duration_cast<milliseconds>(clock_.ticks() - started);
  if (response.ok() && response->status <= 299) {  // a refusal comes soon on any line
    call.attempt_time->answered(took);
  } else if (!response.ok()) {
    call.attempt_time->unanswered(took, allowed);
  }
  return response;
}

Result<ServiceReply> ServiceClient::send_once(ServiceCall& call, const AwsCredentials& credentials) {
  const Time now = clock_.now() + milliseconds(clock_offset_ms_.load());
  TRY(sign(call.request, credentials, {options_.region, options_.service}, now, call.payload));
  ServiceReply reply;
  crash_point(fmt::format("call/{}/sent", call.action));
  reply.response = TRY(transfer(call));
  crash_point(fmt::format("call/{}/answered", call.action));
  if (reply.response.status < 200 || reply.response.status > 299) {
    reply.fault = read_fault(reply.response);
    reply.fault->access_key_id = credentials.access_key_id;
  }
  return reply;
}

// Keys are replaced, and sessions can end before they said they would. S3 answers a HEAD without a body, so
// that nothing but the status tells.
bool ServiceClient::renew_credentials(const ServiceCall& call, const ServiceReply& reply,
                                      const AwsCredentials& credentials) {
  if (!reply.fault) return false;
  const bool unexplained = call.request.method == "HEAD" && reply.fault->status == 400;
  const bool renew =
      wants_other_credentials(*reply.fault) || (unexplained && !credentials.session_token.empty());
  return renew && options_.credentials.expired(credentials.access_key_id);
}

// EC2 answers a wrong clock with AuthFailure, as it does a wrong key: only the Date header tells them apart.
bool ServiceClient::follow_server_clock(const ServiceReply& reply) {
  if (!reply.fault || !may_be_clock_skew(*reply.fault)) return false;
  const auto server = parse_http_date(reply.response.headers.get("Date"));
  if (!server) return false;
  const milliseconds offset = *server - clock_.now();
  if (std::abs((offset - milliseconds(clock_offset_ms_.load())).count()) < tolerated_skew.count())
    return false;
  log::warn("this machine's clock differs from that of {} by {}: signing with the server's time",
            options_.endpoint, human_duration(milliseconds(std::abs(offset.count()))));
  clock_offset_ms_ = offset.count();
  return true;
}

std::optional<milliseconds> ServiceClient::pause_before_retry(const ServiceCall& call,
                                                              const Result<ServiceReply>& reply, int attempt,
                                                              std::chrono::nanoseconds elapsed) {
  const int attempts = call.attempts > 0 ? call.attempts : options_.retries.attempts;
  if (!reply.ok()) {
    if (!reply.error().transient() || !call.repeatable || attempt >= attempts || !budget_.spend()) return {};
    return retry_pause(options_.retries, attempt + 1, random_);
  }
  switch (classify(*reply->fault)) {
    case FaultClass::throttled:
      if (attempt >= attempts && !call.patient) return {};
      return retry_pause(options_.retries, attempt + 1, random_);
    case FaultClass::broken:
      if (!call.repeatable || attempt >= attempts || !budget_.spend()) return {};
      return retry_pause(options_.retries, attempt + 1, random_);
    case FaultClass::final:
      break;
  }
  const bool not_settled =
      (says_not_found(*reply->fault) && elapsed < call.settle_for) ||
      (says_not_allowed(*reply->fault) && elapsed < std::min(call.settle_for, settling_of_refused));
  if (!not_settled) return {};
  return milliseconds(100) + retry_pause(settling, attempt + 1, random_);
}

// `lost_one`: an attempt before the last may have been done.
Result<ServiceReply> ServiceClient::send_attempts(ServiceCall& call, bool& lost_one) {
  const auto started = clock_.ticks();
  bool clock_followed = false;
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    const Result<AwsCredentials> credentials = options_.credentials.get();
    if (!credentials.ok()) return no_credentials(credentials.error());
    if (call.quota != nullptr && !call.quota->take(call.request.stop))
      return error(ErrorCode::cancelled, "{}: stopped", call.action);
    auto reply = send_once(call, *credentials);
    if (reply.ok() && !reply->fault) {
      budget_.earn();
      return reply;
    }
    if (reply.ok() && !clock_followed && follow_server_clock(*reply)) {
      clock_followed = true;
      continue;
    }
    if (reply.ok() && !renewed && renew_credentials(call, *reply, *credentials)) {
      renewed = true;
      continue;
    }
    if (call.quota != nullptr && was_throttled(reply)) call.quota->throttled();
    const auto elapsed = std::chrono::duration_cast<milliseconds>(clock_.ticks() - started);
    if (call.removes && may_have_taken_effect(reply))
      call.settle_for = std::min(call.settle_for, elapsed + settling_of_removed);
    const auto pause = pause_before_retry(call, reply, attempt, elapsed);
    if (!pause) return reply;
    lost_one = lost_one || may_have_taken_effect(reply);
    log::debug("{} attempt {}: {}; again in {} ms", call.action, attempt,
               reply.ok() ? reply->fault->code : reply.error().message(), pause->count());
    if (!clock_.sleep(*pause, call.request.stop))
      return error(ErrorCode::cancelled, "{}: stopped", call.action);
  }
}

Result<ServiceReply> ServiceClient::send(ServiceCall call) {
  call.request.url = options_.endpoint + call.path;
  bool lost_one = false;
  auto reply = send_attempts(call, lost_one);
  if (!call.makes || !lost_one) return reply;
  if (!reply.ok()) return after_lost_attempt(reply.error());
  if (reply->fault) reply->fault->after_lost_attempt = true;
  return reply;
}

Error ServiceClient::error_of(const AwsFault& fault, std::string_view action) const {
  return to_error(fault, {options_.service, std::string(action), fault.access_key_id});
}

Result<HttpResponse> ServiceClient::call(ServiceCall call) {
  const std::string action = call.action;
  ServiceReply reply = TRY(send(std::move(call)), "{}", action);
  if (reply.fault) return error_of(*reply.fault, action);
  return std::move(reply.response);
}

}  // namespace rekindle
