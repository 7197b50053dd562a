#include "protect/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

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

std::vector<RetentionDecision> decide_retention(const std::vector<RetentionRules>& rules,
                                                std::vector<RecoveryPoint> points,
                                                const std::set<RecoveryPointId>& copied) {
  std::sort(points.begin(), points.end(), [](const RecoveryPoint& a, const RecoveryPoint& b) {
    return std::pair(b.time, a.id) < std::pair(a.time, b.id);
  });
  std::vector<RetentionDecision> decisions;
  for (RecoveryPoint& point : points) decisions.push_back({std::move(point), false, {}});
  if (!decisions.empty()) add_reason(decisions.front(), "the newest");
  for (RetentionDecision& decision : decisions) {
    if (!decision.point.legal_hold.empty()) add_reason(decision, "legal hold: " + decision.point.legal_hold);
    if (copied.contains(decision.point.id)) add_reason(decision, "a DR copy is made of it");
  }
  for (const RetentionRules& one : rules) add_reasons(one, decisions);
  if (rules.empty()) add_reasons(RetentionRules(), decisions);
  for (RetentionDecision& decision : decisions) {
    if (!decision.keep) decision.reason = "no rule keeps it";
  }
  return decisions;
}

}  // namespace rekindle
