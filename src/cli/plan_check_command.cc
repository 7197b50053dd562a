// plan check: would a failover work now?
#include "cli/findings.h"
#include "cli/plan_watch.h"

namespace rekindle {

namespace {

struct CheckInput {
  std::string plan;
  bool test = false;
};

Result<> check(Session& session, Workplace& workplace, const CheckInput& input) {
  const FailoverKind kind = input.test ? FailoverKind::test : FailoverKind::production;
  const Preflight preflight = TRY(check_plan_readiness(workplace, input.plan, kind));
  print_findings(session, preflight);
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
