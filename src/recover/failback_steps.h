// The steps of a failback: copying in failback.cc, the VM at home in failback_home.cc, changing sides in
// failback_switch.cc, and back again in failback_rollback.cc.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/job_runner.h"
#include "recover/bring_home.h"
#include "recover/failback.h"
#include "site/sites.h"

namespace rekindle {

class Failback {
 public:
  explicit Failback(FailbackParts parts) : parts_(std::move(parts)) {}

  Result<> check(StepContext& context);
  Result<> prepare(StepContext& context);
  Result<> copy(StepContext& context);
  Result<> mark(StepContext& context);
  Result<> stop(StepContext& context);
  Result<> last_copy(StepContext& context);
  Result<> start(StepContext& context);
  Result<> wait_service(StepContext& context);
  Result<> record(StepContext& context);
  Result<> tidy(StepContext& context);
  Result<> clean_up(StepContext& context);

 private:
  Result<DrPlan> plan(StepContext& context) {
    return context.catalog.get<DrPlan>(text(context.job.parameters, "plan"));
  }
  Result<Failover> failover(StepContext& context) {
    return context.catalog.get<Failover>(text(context.job.parameters, "failover_id"));
  }
  Result<FailbackSettings> settings(StepContext& context);
  Result<RecoveryPoint> base(StepContext& context);
  Result<SnapshotSource*> machines(const Job& job) {
    return parts_.sites.datacenter(text(job.data, "datacenter"));
  }
  Result<RestoreTarget*> home(const Job& job) {
    return parts_.sites.restore_target(text(job.data, "datacenter"));
  }
  Result<RecoveryTarget*> account(StepContext& context);
  Result<> free_original(StepContext& context);
  Result<> make_new(StepContext& context);
  Result<MachineSnapshotId> freeze_home(StepContext& context, const std::string& name);
  Result<> thaw_home(StepContext& context, const std::string& name, const MachineSnapshotId& id);
  Result<> thaw_leftovers(StepContext& context);
  using Look = std::function<Result<>(SnapshotSource& site, const MachineSnapshot& frozen)>;
  Result<> look_at_frozen(StepContext& context, std::string_view what, const Look& see);
  Result<> look_again(StepContext& context, std::string_view what);
  Result<> take_home_again(StepContext& context);
  Result<> note_written(StepContext& context, std::vector<DiskAtHome>& disks,
                        const std::vector<Extents>& written);
  Result<> back_up_instance(StepContext& context);
  Result<> pass(StepContext& context);
  Result<> wait_for_approval(StepContext& context);
  Result<> go_on_copying(StepContext& context, const std::function<bool()>& approved);
  Result<> mark_point(StepContext& context, ProtectedMachine& machine);
  Result<> record_rehearsal(StepContext& context);
  Result<> keep_stopped(StepContext& context);
  Result<> keep_one_alive(StepContext& context);
  Result<> switch_home_off(StepContext& context);
  Result<> run_again(StepContext& context, RecoveryTarget& site, const InstanceId& id);
  Result<> wait_until_stopped(StepContext& context, RecoveryTarget& site, const InstanceId& id);

  FailbackParts parts_;
};

inline bool is_rehearsal(const Job& job) {
  return job.parameters.value("test", false);
}

// The VM at home.
inline MachineId home_of(const Job& job) {
  return MachineId(text(job.data, "machine_id"));
}

FailbackRequest failback_request_of(const Job& job);

// Of the new VM in the ledger ("machine"); of snapshots of the VM at home their names. All begin with "".
std::string failback_token(const Job& job, std::string_view what);

}  // namespace rekindle
