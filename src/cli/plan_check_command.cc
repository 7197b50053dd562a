// plan check: would a failover work now?
#include "cli/commands.h"
#include "prepare/boot_certificate.h"
#include "recover/preflight.h"

namespace rekindle {

namespace {

struct CheckInput {
  std::string plan;
  bool test = false;
};

Result<bool> is_signed(Workplace& workplace, const DrCopy& copy) {
  if (!copy.certificate) return false;
  Catalog* catalog = TRY(workplace.catalog());
  const auto point = TRY(catalog->get<RecoveryPoint>(copy.recovery_point_id.str()));
  Vault* vault = TRY(workplace.vaults().vault(point.vault));
  return vault->sign(signed_text(*copy.certificate)) == copy.certificate->signature;
}

nlohmann::json record_of(const Preflight& preflight) {
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : preflight.findings) {
    findings.push_back({{"light", std::string(to_string(finding.light))},
                        {"machine", finding.machine},
                        {"topic", finding.topic},
                        {"sentence", finding.sentence}});
  }
  nlohmann::json record = {{"light", std::string(to_string(preflight.light))}, {"findings", findings}};
  if (preflight.forecast)
    record["forecast_seconds"] = static_cast<double>(preflight.forecast->count()) / 1000;
  return record;
}

Result<> check(Session& session, Workplace& workplace, const CheckInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  const PreflightParts parts{*catalog, workplace.sites(), workplace.clock(),
                             [&](const DrCopy& copy) { return is_signed(workplace, copy); }};
  const Preflight preflight =
      TRY(check_readiness(parts, input.plan, input.test ? FailoverKind::test : FailoverKind::production));
  const nlohmann::json record = record_of(preflight);
  if (session.output.json) {
    session.output.record(record);
  } else {
    session.output.records(record.at("findings").get<std::vector<nlohmann::json>>(),
                           {{"light", ""}, {"machine", "MACHINE"}, {"topic", "WHAT"}, {"sentence", ""}});
  }
  if (preflight.light == Light::red) {
    return error(ErrorCode::failed_precondition,
                 "a failover of {} would not work as a whole now; see what is red", input.plan);
  }
  return {};
}

}  // namespace

void add_plan_check(CLI::App& noun, Session& session) {
  auto input = std::make_shared<CheckInput>();
  CLI::App* verb = add_verb(
      noun, "check",
      "Whether a failover would work now, how old its data would be, and how long it would take", session,
      [&session, input](Workplace& workplace) { return check(session, workplace, *input); });
  verb->add_option("plan", input->plan, "The DR plan")->required();
  verb->add_flag("--test", input->test, "Of a test failover");
}

}  // namespace rekindle
