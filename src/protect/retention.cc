#include "protect/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "protect/instance_backup.h"

namespace rekindle {

namespace {

using std::chrono::floor;

std::string day_of(Time time) {
  return to_iso8601(time).substr(0, 10);
}

std::string week_of(Time time) {
  const auto day = floor<std::chrono::days>(time);
  const std::chrono::weekday weekday(day);
  return "week of " + day_of(Time(day - std::chrono::days(weekday.iso_encoding() - 1)));
}

// One kind of rule: of each of the newest `count` periods that have a point, the newest point.
struct Rule {
  const char* name;
  int count = 0;
  std::function<std::string(Time)> period;
};

std::vector<Rule> rules_of(const RetentionRules& rules) {
  return {
      {"hourly", rules.hourly, [](Time time) { return to_iso8601(time).substr(0, 13) + "h"; }},
      {"daily", rules.daily, day_of},
      {"weekly", rules.weekly, week_of},
      {"monthly", rules.monthly, [](Time time) { return to_iso8601(time).substr(0, 7); }},
      {"yearly", rules.yearly, [](Time time) { return to_iso8601(time).substr(0, 4); }},
  };
}

void add_reason(RetentionDecision& decision, const std::string& reason) {
  decision.keep = true;
  decision.reason += (decision.reason.empty() ? "" : ", ") + reason;
}

void add_reasons(const Rule& rule, std::vector<RetentionDecision>& newest_first) {
  std::string last;
  int used = 0;
  for (RetentionDecision& decision : newest_first) {
    const std::string period = rule.period(decision.point.time);
    if (used == rule.count || (used > 0 && period == last)) continue;
    last = period;
    ++used;
    add_reason(decision, fmt::format("{} {} of {} ({})", rule.name, used, rule.count, period));
  }
}

void add_reasons(const RetentionRules& rules, std::vector<RetentionDecision>& newest_first) {
  const bool all = rules == RetentionRules();
  for (std::size_t i = 0; i < newest_first.size(); ++i) {
    if (all) add_reason(newest_first[i], "no rules: all are kept");
    if (i < static_cast<std::size_t>(rules.last))
      add_reason(newest_first[i], fmt::format("last {} of {}", i + 1, rules.last));
  }
  for (const Rule& rule : rules_of(rules)) add_reasons(rule, newest_first);
}

}  // namespace

Result<std::map<RecoveryPointId, std::string>> pinned_points(Catalog& catalog) {
  std::map<RecoveryPointId, std::string> pinned;
  const auto copies = TRY(catalog.list<DrCopy>());
  for (const DrCopy& copy : copies) pinned[copy.recovery_point_id] = "a DR copy is made of it";
  const auto failovers = TRY(catalog.list<Failover>());
  for (const Failover& failover : failovers) {
    if (failover.state == FailoverState::released) continue;
    const auto newest = newest_point_of(catalog, failover);
    if (!newest.ok() && newest.error().code() != ErrorCode::not_found) return newest.error();
    if (newest.ok()) pinned[newest->id] = "the newest of an instance that is still there";
    pinned[failover.recovery_point_id] = "a failover that is not over was started from it";
  }
  return pinned;
}

std::vector<RetentionDecision> decide_retention(const std::vector<RetentionRules>& rules,
                                                std::vector<RecoveryPoint> points,
                                                const std::map<RecoveryPointId, std::string>& pinned) {
  std::sort(points.begin(), points.end(), [](const RecoveryPoint& a, const RecoveryPoint& b) {
    return std::pair(b.time, a.id) < std::pair(a.time, b.id);
  });
  std::vector<RetentionDecision> decisions;
  for (RecoveryPoint& point : points) decisions.push_back({std::move(point), false, {}});
  if (!decisions.empty()) add_reason(decisions.front(), "the newest");
  for (RetentionDecision& decision : decisions) {
    if (!decision.point.legal_hold.empty()) add_reason(decision, "legal hold: " + decision.point.legal_hold);
    const auto pin = pinned.find(decision.point.id);
    if (pin != pinned.end()) add_reason(decision, pin->second);
  }
  for (const RetentionRules& one : rules) add_reasons(one, decisions);
  if (rules.empty()) add_reasons(RetentionRules(), decisions);
  for (RetentionDecision& decision : decisions) {
    if (!decision.keep) decision.reason = "no rule keeps it";
  }
  return decisions;
}

}  // namespace rekindle
