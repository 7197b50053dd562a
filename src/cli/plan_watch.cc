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

Result<> look(Workplace& workplace, PlanNews& news, const std::stop_token& stop) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto plans = TRY(catalog->list<DrPlan>());
  for (const DrPlan& plan : plans) {
    if (stop.stop_requested()) break;
    const Preflight preflight =
        TRY(check_plan_readiness(workplace, plan.name, FailoverKind::production), "DR plan {}", plan.name);
    const auto sentences = news.of(plan.name, preflight);
    for (const std::string& sentence : sentences) log::warn("{}", sentence);
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

void watch_plans(Workplace& workplace, const std::stop_token& stop) {
  PlanNews news;
  do {
    const Result<> looked = look(workplace, news, stop);
    if (!looked.ok()) log::warn("looking whether the DR plans would work: {}", looked.error().message());
  } while (workplace.clock().sleep(between_looks, stop));
}

}  // namespace rekindle
