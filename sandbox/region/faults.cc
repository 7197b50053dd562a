#include "sandbox/region/faults.h"

#include <algorithm>

namespace rekindle::sandbox {

namespace {

const std::map<std::string, FaultRule::Kind>& kinds() {
  static const std::map<std::string, FaultRule::Kind> names = {
      {"error", FaultRule::Kind::error},
      {"lose_request", FaultRule::Kind::lose_request},
      {"lose_response", FaultRule::Kind::lose_response},
      {"latency", FaultRule::Kind::latency},
      {"instance_dies", FaultRule::Kind::instance_dies},
      {"quota", FaultRule::Kind::quota},
  };
  return names;
}

Result<FaultRule::Kind> kind_of(const std::string& name) {
  const auto kind = kinds().find(name);
  if (kind != kinds().end()) return kind->second;
  std::vector<std::string> names;
  for (const auto& [known, value] : kinds()) names.push_back(known);
  return error(ErrorCode::invalid_argument, "'{}' is not a kind of fault; there are {}", name,
               fmt::join(names, ", "));
}

// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html: server errors; all others are
// 400.
int usual_status(const std::string& code) {
  static const std::map<std::string, int> statuses = {
      {"InsufficientInstanceCapacity", 500},
      {"InternalError", 500},
      {"InternalFailure", 500},
      {"InternalServerError", 500},
      {"InternalServerException", 500},
      {"RequestLimitExceeded", 503},
      {"EC2ThrottledException", 503},
      {"ServiceUnavailable", 503},
      {"Unavailable", 503},
      {"AccessDeniedException", 403},
      {"UnauthorizedOperation", 403},
      {"AuthFailure", 401},
      {"ResourceNotFoundException", 404},
      {"ServiceQuotaExceededException", 402},
      {"ConflictException", 409},
  };
  const auto found = statuses.find(code);
  return found == statuses.end() ? 400 : found->second;
}

std::string usual_message(const FaultRule& rule) {
  if (!rule.message.empty()) return rule.message;
  if (rule.code == "RequestLimitExceeded") return "Request limit exceeded.";
  if (rule.code == "InsufficientInstanceCapacity") {
    return "We currently do not have sufficient capacity in the Availability Zone you requested.";
  }
  return "A fault that was asked for: " + rule.code;
}

std::string usual_reason(const std::string& code) {
  if (code == "RequestThrottledException") return "RESOURCE_LEVEL_THROTTLE";
  if (code == "ThrottlingException") return "ACCOUNT_THROTTLED";
  return "";
}

bool is_run_command_call(const std::string& action) {
  return action == "SendCommand" || action == "CancelCommand" || action == "ListCommands" ||
         action == "GetCommandInvocation" || action == "DescribeInstanceInformation";
}

// EC2, EBS and Systems Manager have codes of their own for it.
Refusal quota_refusal(const std::string& action) {
  if (is_run_command_call(action)) return {"ThrottlingException", "Rate exceeded", 400};
  if (!action.ends_with("SnapshotBlock") && !action.ends_with("SnapshotBlocks") &&
      action != "ListChangedBlocks" && action != "StartSnapshot" && action != "CompleteSnapshot")
    return {"RequestLimitExceeded", "Request limit exceeded.", 503};
  return {"ThrottlingException", "The account has used up its quota of " + action, 400, "ACCOUNT_THROTTLED"};
}

// Takes one call from the quota; false when it is used up.
bool take_one(FaultRule& rule) {
  const auto now = std::chrono::steady_clock::now();
  const double burst = std::max(1.0, rule.per_second / 10);
  const double seconds = std::chrono::duration<double>(now - rule.filled).count();
  rule.tokens = std::min(burst, rule.tokens + seconds * rule.per_second);
  rule.filled = now;
  if (rule.tokens < 1) return false;
  rule.tokens -= 1;
  return true;
}

}  // namespace

Result<FaultRule> fault_rule_from_json(const nlohmann::json& json) {
  if (!json.is_object()) return error(ErrorCode::invalid_argument, "a fault is a JSON object");
  try {
    FaultRule rule;
    rule.kind = TRY(kind_of(json.value("kind", "error")));
    rule.action = json.value("action", rule.action);
    rule.code = json.value("code", rule.code);
    rule.message = json.value("message", rule.message);
    rule.status = json.value("status", rule.status);
    rule.skip = json.value("skip", rule.skip);
    rule.times = json.value("times", rule.times);
    rule.delay_ms = json.value("delay_ms", rule.delay_ms);
    rule.per_second = json.value("per_second", rule.per_second);
    if (rule.kind == FaultRule::Kind::quota && rule.per_second <= 0)
      return error(ErrorCode::invalid_argument, "a quota needs \"per_second\"");
    const bool needs_code =
        rule.kind == FaultRule::Kind::error || rule.kind == FaultRule::Kind::instance_dies;
    if (needs_code && rule.code.empty())
      return error(ErrorCode::invalid_argument, "this kind of fault needs a \"code\"");
    return rule;
  } catch (const nlohmann::json::exception& wrong) {
    return error(ErrorCode::invalid_argument, "the fault is not readable: {}", wrong.what());
  }
}

void Faults::add(FaultRule rule) {
  const std::lock_guard lock(mutex_);
  rules_.push_back(std::move(rule));
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
  not_found_window_ = {};
}

void Faults::set_not_found_window(std::chrono::milliseconds window) {
  const std::lock_guard lock(mutex_);
  not_found_window_ = window;
}

std::chrono::milliseconds Faults::not_found_window() const {
  const std::lock_guard lock(mutex_);
  return not_found_window_;
}

Faults::Verdict Faults::judge(const std::string& action, bool dry_run) {
  const std::lock_guard lock(mutex_);
  Verdict verdict;
  for (FaultRule& rule : rules_) {
    if ((rule.action != "*" && rule.action != action) || rule.times == 0) continue;
    if (dry_run && rule.kind == FaultRule::Kind::instance_dies) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (rule.times > 0) --rule.times;
    switch (rule.kind) {
      case FaultRule::Kind::error:
        verdict.refusal =
            Refusal{rule.code, usual_message(rule), rule.status != 0 ? rule.status : usual_status(rule.code),
                    usual_reason(rule.code)};
        break;
      case FaultRule::Kind::lose_request:
        verdict.lose_request = true;
        break;
      case FaultRule::Kind::lose_response:
        verdict.lose_response = true;
        break;
      case FaultRule::Kind::latency:
        verdict.delay_ms += rule.delay_ms;
        break;
      case FaultRule::Kind::instance_dies:
        verdict.instances_die_of = rule.code;
        break;
      case FaultRule::Kind::quota:
        if (take_one(rule)) break;
        verdict.refusal = quota_refusal(action);
        break;
    }
  }
  return verdict;
}

void AccessLog::count(const std::string& action, int status, std::uint64_t request_bytes,
                      std::uint64_t response_bytes) {
  const std::lock_guard lock(mutex_);
  CallCount& entry = counts_[action];
  ++entry.calls;
  if (status < 200 || status >= 300) ++entry.refused;
  entry.request_bytes += request_bytes;
  entry.response_bytes += response_bytes;
}

std::map<std::string, CallCount> AccessLog::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void AccessLog::clear() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
}

}  // namespace rekindle::sandbox
