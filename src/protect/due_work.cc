#include "protect/due_work.h"

#include <algorithm>

#include "protect/copy_records.h"
#include "protect/held_instance.h"
#include "protect/instance_backup.h"

namespace rekindle {

namespace {

constexpr std::chrono::minutes retry_after{5};

// What is asked for each machine, and does not change meanwhile.
struct Present {
  Time now{};
  std::vector<Job> unfinished;
};

struct History {
  std::optional<Job> last;  // for this policy's vault, this plan
  bool busy = false;        // some job of that side is under way
};

bool comes_home(const Present& present, const std::string& machine) {
  return std::any_of(present.unfinished.begin(), present.unfinished.end(),
                     [&](const Job& job) { return job.kind == JobKind::failback && job.subject == machine; });
}

// `key` of the job's parameters says what it was for: its "vault", its "plan".
Result<History> history_of(Catalog& catalog, const Present& present, const std::string& machine, JobKind kind,
                           const char* key, const std::string& value) {
  History history;
  history.last = TRY(catalog.last_job(machine, kind, key, value));
  history.busy = std::any_of(present.unfinished.begin(), present.unfinished.end(), [&](const Job& job) {
    return job.subject == machine && side_of(job.kind) == side_of(kind);
  });
  return history;
}

bool failed_just_now(const History& history, Time now) {
  return history.last && is_over(history.last->state) && history.last->state != JobState::succeeded &&
         now - history.last->updated < retry_after;
}

// Since the slot nothing was begun, or what was begun failed.
bool is_due(const History& history, Time slot) {
  return !history.last || history.last->created < slot || history.last->state != JobState::succeeded;
}

// Not of a machine that is coming home: the failback backs its instance up itself, pass by pass.
Result<bool> backup_is_due(Catalog& catalog, const BackupPolicy& policy, const std::string& machine,
                           const Present& present) {
  const auto slot = last_slot(policy.schedule, present.now);
  if (!slot || !is_open(policy.schedule, present.now) || comes_home(present, machine)) return false;
  const bool is_away = TRY(runs_in_account(catalog, machine));
  const History history =
      is_away ? TRY(history_of(catalog, present, machine, JobKind::instance_backup, "machine", machine))
              : TRY(history_of(catalog, present, machine, JobKind::backup, "vault", policy.vault));
  return !history.busy && !failed_just_now(history, present.now) && is_due(history, *slot);
}

// Whether the DR copy is not what the plan wants of the newest point.
Result<bool> copy_is_behind(Catalog& catalog, const DrPlan& plan, const std::string& machine) {
  const auto point = chosen_point(catalog, machine, "");
  if (!point.ok() && point.error().code() == ErrorCode::failed_precondition)
    return false;  // there is none yet
  if (!point.ok()) return point.error();
  const auto copy = TRY(current_copy(catalog, plan.name, machine));
  if (!copy || copy->recovery_point_id != point->id) return true;
  // Or the plan wants another one of the same point.
  const bool wants_template = plan.workflow == DrWorkflow::ami && copy->converted;
  return !copy->damaged.empty() || copy->account != plan.account || !is_encrypted_as(*copy, plan) ||
         copy->template_id.empty() == wants_template ||
         copy->certificate.has_value() != (plan.convert == ConvertWhen::ahead);
}

Result<bool> replication_is_due(Catalog& catalog, const DrPlan& plan, const std::string& machine,
                                const Present& present) {
  if (plan.replicate.kind == ScheduleKind::manual || !is_open(plan.replicate, present.now)) return false;
  if (TRY(runs_in_account(catalog, machine))) return false;
  const History history = TRY(history_of(catalog, present, machine, JobKind::replicate, "plan", plan.name));
  if (history.busy || failed_just_now(history, present.now)) return false;
  const auto slot = last_slot(plan.replicate, present.now);
  if (slot && !is_due(history, *slot)) return false;
  return copy_is_behind(catalog, plan, machine);
}

// Even if it succeeded: what may still appear in the account is left in the ledger, to be looked for again.
bool ended_just_now(const History& history, Time now) {
  return history.last && is_over(history.last->state) && now - history.last->updated < retry_after;
}

// The instance of a machine that came home, or of a test, whose time is over.
Result<bool> kept_long_enough(Catalog& catalog, const Failover& failover,
                              const std::vector<LedgerEntry>& ledger, const Present& present) {
  if (!outlives_its_keeping(failover, ledger, present.now) &&
      !outlives_its_expiry(failover, ledger, present.now))
    return false;
  const History history = TRY(
      history_of(catalog, present, failover.machine, JobKind::failover_cleanup, "failover_id", failover.id));
  return !history.busy && !ended_just_now(history, present.now);
}

Result<> add_clean_ups(Catalog& catalog, const Present& present, std::vector<DueWork>& due) {
  const auto failovers = TRY(catalog.list<Failover>());
  const auto ledger = TRY(catalog.ledger());
  for (const Failover& failover : failovers) {
    if (TRY(kept_long_enough(catalog, failover, ledger, present)))
      due.push_back({JobKind::failover_cleanup, failover.id, failover.machine});
  }
  return {};
}

}  // namespace

Result<std::vector<DueWork>> due_work(Catalog& catalog, Time now) {
  const Present present{now, TRY(catalog.unfinished_jobs())};
  std::vector<DueWork> due;
  // First: they are short, and a machine's replication, which has the same side, would always be before them.
  TRY(add_clean_ups(catalog, present, due));
  const auto policies = TRY(catalog.list<BackupPolicy>());
  for (const BackupPolicy& policy : policies) {
    for (const std::string& machine : policy.machines) {
      if (TRY(backup_is_due(catalog, policy, machine, present)))
        due.push_back({JobKind::backup, policy.name, machine});
    }
  }
  const auto plans = TRY(catalog.list<DrPlan>());
  for (const DrPlan& plan : plans) {
    for (const PlanMachine& machine : plan.machines) {
      if (TRY(replication_is_due(catalog, plan, machine.machine, present)))
        due.push_back({JobKind::replicate, plan.name, machine.machine});
    }
  }
  return due;
}

}  // namespace rekindle
