#include "recover/running_tests.h"

#include "model/json.h"
#include "protect/held_instance.h"

namespace rekindle {

namespace {

constexpr std::chrono::hours forgotten_after{24};

Finding finding_of(const Failover& test, Time now) {
  const std::string runs = fmt::format("runs as {} since {}", test.instance_id, to_iso8601(test.started));
  const std::string end = fmt::format("end it with 'rekindle failover clean-up {}'", test.plan);
  Finding finding{Light::green, test.machine, "test", runs};
  if (has_expired(test, now)) {
    finding.light = Light::yellow;
    finding.sentence +=
        fmt::format(", and expired at {}: is 'rekindle serve' running? It ends it then; or {}",
                    to_iso8601(test.expires), end);
  } else if (test.expires != Time()) {
    finding.sentence += fmt::format("; expires at {}", to_iso8601(test.expires));
  } else if (now - test.started > forgotten_after) {
    finding.light = Light::yellow;
    finding.sentence += fmt::format(
        ", longer than a day, and never expires: {}; test_expires_after in the DR plan ends the next by "
        "itself",
        end);
  } else {
    finding.sentence += "; never expires";
  }
  return finding;
}

// Of one that was ended, and whose instance is there all the same.
Finding finding_of_held(const Failover& test) {
  Finding finding{Light::yellow, test.machine, "test",
                  fmt::format("was ended, and its instance {} is not terminated yet: 'rekindle failover "
                              "clean-up {}' tries it again",
                              test.instance_id, test.plan)};
  if (test.expires != Time())
    finding.sentence += fmt::format(", and so does 'rekindle serve' from {} on", to_iso8601(test.expires));
  return finding;
}

}  // namespace

Result<std::vector<Finding>> look_at_tests(Catalog& catalog, const std::string& plan, Time now) {
  std::vector<Finding> findings;
  const auto failovers = TRY(catalog.list<Failover>());
  const auto ledger = TRY(catalog.ledger());
  for (const Failover& failover : failovers) {
    if (failover.plan != plan || failover.kind != FailoverKind::test) continue;
    if (failover.state == FailoverState::running) {
      findings.push_back(finding_of(failover, now));
    } else if (holds_instance(failover, ledger)) {
      findings.push_back(finding_of_held(failover));
    }
  }
  return findings;
}

bool is_expired_test(const Job& job, Time now) {
  if (is_over(job.state) || (job.kind != JobKind::failover && job.kind != JobKind::plan_failover))
    return false;
  const bool is_test = job.parameters.value("kind", FailoverKind::production) == FailoverKind::test;
  return is_test && job.parameters.contains("expires") && now >= job.parameters.at("expires").get<Time>();
}

}  // namespace rekindle
