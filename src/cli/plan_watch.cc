#include "cli/plan_watch.h"

#include <algorithm>

#include "base/log.h"
#include "prepare/boot_certificate.h"

namespace rekindle {

namespace {

constexpr std::chrono::hours between_looks{1};

Result<bool> is_signed(Workplace& workplace, const DrCopy& copy) {
  if (!copy.certificate) return false;
  Catalog* catalog = TRY(workplace.catalog());
  const auto point = TRY(catalog->get<RecoveryPoint>(copy.recovery_point_id.str()));
  Vault* vault = TRY(workplace.vaults().vault(point.vault));
  return vault->sign(signed_text(*copy.certificate)) == copy.certificate->signature;
}

std::string sentence_of(const std::string& plan, const Finding& finding) {
  return fmt::format("DR plan {}{}{}: {} is {}: {}", plan, finding.machine.empty() ? "" : ", ",
                     finding.machine, finding.topic, to_string(finding.light), finding.sentence);
}

// Only the sentence grows older: the numbers of the machine's name and the plan's tell one from another.
std::string key_of(const std::string& plan, Finding finding) {
  std::erase_if(finding.sentence, [](char c) { return c >= '0' && c <= '9'; });
  return sentence_of(plan, finding);
}

bool says_how_tests_differ(const DrPlan& plan) {
  return plan.test != FailoverSettings() ||
         std::any_of(plan.machines.begin(), plan.machines.end(),
                     [](const PlanMachine& machine) { return machine.test != FailoverSettings(); });
}

// What is so of a test only is a topic of its own.
Result<Preflight> check_both_kinds(const PlanWatch& watch, const DrPlan& plan) {
  Preflight both = TRY(watch.check(plan.name, FailoverKind::production));
  if (!says_how_tests_differ(plan)) return both;
  const Preflight of_test = TRY(watch.check(plan.name, FailoverKind::test));
  std::set<std::string> said;
  for (const Finding& finding : both.findings) said.insert(key_of(plan.name, finding));
  for (Finding finding : of_test.findings) {
    if (said.contains(key_of(plan.name, finding))) continue;
    finding.topic = "test " + finding.topic;
    both.findings.push_back(std::move(finding));
  }
  return both;
}

Result<> look(const PlanWatch& watch, PlanNews& news, const std::stop_token& stop) {
  const auto plans = TRY(watch.plans());
  for (const DrPlan& plan : plans) {
    if (stop.stop_requested()) break;
    const Preflight preflight = TRY(check_both_kinds(watch, plan), "DR plan {}", plan.name);
    const auto sentences = news.of(plan.name, preflight);
    for (const std::string& sentence : sentences) watch.tell(sentence);
  }
  return {};
}

}  // namespace

Result<Preflight> check_plan_readiness(Workplace& workplace, const std::string& plan, FailoverKind kind) {
  Catalog* catalog = TRY(workplace.catalog());
  return check_readiness({*catalog, workplace.sites(), workplace.clock(),
                          [&](const DrCopy& copy) { return is_signed(workplace, copy); }},
                         plan, kind);
}

std::vector<std::string> PlanNews::of(const std::string& plan, const Preflight& preflight) {
  std::set<std::string> now;
  std::vector<std::string> news;
  for (const Finding& finding : preflight.findings) {
    if (finding.light == Light::green) continue;
    std::string sentence = sentence_of(plan, finding);
    std::string key = key_of(plan, finding);
    if (!said_[plan].contains(key)) news.push_back(std::move(sentence));
    now.insert(std::move(key));
  }
  said_[plan] = std::move(now);
  return news;
}

void watch_plans(const PlanWatch& watch, const std::stop_token& stop) {
  PlanNews news;
  do {
    const Result<> looked = look(watch, news, stop);
    if (!looked.ok())
      watch.tell(fmt::format("looking whether the DR plans would work: {}", looked.error().message()));
  } while (watch.clock.sleep(between_looks, stop));
}

void watch_plans(Workplace& workplace, const std::stop_token& stop) {
  const auto plans = [&]() -> Result<std::vector<DrPlan>> {
    Catalog* catalog = TRY(workplace.catalog());
    return catalog->list<DrPlan>();
  };
  const auto check = [&](const std::string& plan, FailoverKind kind) {
    return check_plan_readiness(workplace, plan, kind);
  };
  const auto tell = [](const std::string& sentence) { log::warn("{}", sentence); };
  watch_plans({workplace.clock(), plans, check, tell}, stop);
}

}  // namespace rekindle
