#include "recover/failback_check.h"

#include <algorithm>

#include "model/json.h"
#include "protect/firmware_variables.h"
#include "recover/failback_destination.h"
#include "recover/failback_forecast.h"

namespace rekindle {

namespace {

class Check {
 public:
  Check(const FailbackCheckParts& parts, const DrPlan& plan)
      : parts_(parts), plan_(plan), forecaster_(parts.catalog, plan) {}

  Result<> check(const Failover& failover, ComeHomeTo to, bool test);
  Preflight result;

 private:
  void add(Light light, std::string topic, std::string sentence) {
    result.light = std::max(result.light, light);
    result.findings.push_back({light, machine_, std::move(topic), std::move(sentence)});
  }
  void check_instance(const Failover& failover);
  Result<> check_base(const Failover& failover);
  void check_new(const Failover& failover, const FailbackRequest& request, const Destination& destination);
  void check_variables(const RecoveryPoint& point);
  Result<> check_writable(const Destination& destination);
  void check_original(const Failover& failover, const Destination& destination);
  void check_left_behind(const MachineId& home);
  void check_volumes(const Failover& failover);
  Result<> check_earlier(const Failover& failover);
  void check_destination(const Failover& failover, const FailbackRequest& request);
  void check_settings(const FailbackSettings& settings, bool test);

  const FailbackCheckParts& parts_;
  const DrPlan& plan_;
  DowntimeForecaster forecaster_;
  std::string machine_;
};

void Check::check_instance(const Failover& failover) {
  const auto site = parts_.sites.account(failover.account);
  const auto instance = site.ok() ? (*site)->instance(failover.instance_id) : Result<Instance>(site.error());
  if (!instance.ok()) {
    add(Light::red, "instance", instance.error().message());
  } else if (instance->state == InstanceState::running || instance->state == InstanceState::stopped) {
    add(Light::green, "instance", fmt::format("{} is there", failover.instance_id));
  } else {
    add(Light::red, "instance", fmt::format("{} neither runs nor is it stopped", failover.instance_id));
  }
}

// Without the machine as it left, nobody knows what to write, nor what the conversion changed.
Result<> Check::check_base(const Failover& failover) {
  const auto point = parts_.catalog.get<RecoveryPoint>(failover.recovery_point_id.str());
  if (!point.ok()) {
    add(Light::red, "recovery point", point.error().message());
    return {};
  }
  Vault* vault = TRY(parts_.vaults.vault(point->vault));
  const auto stored = vault->get(point->id);
  if (!stored.ok()) {
    add(Light::red, "recovery point",
        fmt::format("the vault says of {}: {}", point->id, stored.error().message()));
    return {};
  }
  const auto newest = TRY(newest_point_of(parts_.catalog, failover));
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(parts_.clock.now() - newest.time);
  add(Light::green, "recovery point",
      fmt::format("the newest is {} old; what changed since is read first", human_duration(age)));
  return {};
}

// A volume that was made larger in the account cannot be stored as the disk it was, nor come home.
void Check::check_volumes(const Failover& failover) {
  const auto newest = newest_point_of(parts_.catalog, failover);
  const auto site = parts_.sites.instances_of(failover.account);
  if (!newest.ok() || !site.ok()) return;  // said already
  const auto instance = (*site)->machine(MachineId(failover.instance_id.str()));
  if (!instance.ok()) return;  // likewise
  std::vector<DiskSnapshot> attached;
  for (const DiskSpec& volume : instance->disks) attached.push_back({volume.id, volume.size_bytes, ""});
  const auto volumes = volumes_of_disks(failover, newest->disks.size(), attached);
  if (!volumes.ok()) {
    add(Light::red, "volumes", volumes.error().message());
    return;
  }
  for (std::size_t i = 0; i < newest->disks.size(); ++i) {
    const DiskSnapshot& volume = volumes->of_disks[i];
    const auto fits = check_volume_size(newest->disks[i], volume.disk, volume.size_bytes);
    if (!fits.ok()) add(Light::red, "volumes", fits.error().message());
  }
  for (const DiskSnapshot& volume : volumes->added) {
    add(Light::yellow, "volumes",
        fmt::format("{} was added in the account: it does not come home", volume.disk));
  }
}

// What an earlier failback could not put right.
Result<> Check::check_earlier(const Failover& failover) {
  const auto jobs = TRY(parts_.catalog.unfinished_jobs());
  for (const Job& job : jobs) {
    if (job.kind != JobKind::failback || job.subject != failover.machine) continue;
    if (job.state != JobState::cleaning) continue;
    add(Light::yellow, "earlier failback",
        fmt::format("{} is not put right yet, which is tried first: {}", job.id,
                    text(job.data, "left_behind")));
  }
  return {};
}

// The new VM has the addresses of the VM of before.
void Check::check_left_behind(const MachineId& home) {
  const auto known = parts_.catalog.get<ProtectedMachine>(machine_);
  if (!known.ok() || known->id == home) return;
  const auto site = parts_.sites.datacenter(known->datacenter);
  const auto before = site.ok() ? (*site)->machine(known->id) : Result<Machine>(site.error());
  if (before.ok() && before->power != PowerState::off) {
    add(Light::yellow, "VM of before",
        fmt::format("it runs in {}: it is switched off, as the new VM has its addresses", known->datacenter));
  } else if (!before.ok() && (!site.ok() || before.error().code() != ErrorCode::not_found)) {
    add(Light::yellow, "VM of before",
        fmt::format("whether it is off in {} cannot be asked ({}): the new VM has its addresses",
                    known->datacenter, before.error().message()));
  }
}

Result<> Check::check_writable(const Destination& destination) {
  RestoreTarget* target = TRY(parts_.sites.restore_target(destination.datacenter));
  return target->check_writable(destination.machine_id);
}

void Check::check_original(const Failover& failover, const Destination& destination) {
  const auto point = parts_.catalog.get<RecoveryPoint>(failover.recovery_point_id.str());
  const Result<> fits = point.ok() ? check_disks_at_home(destination.disks, *point) : Result<>();
  if (!fits.ok()) {
    add(Light::red, "home", fits.error().message());
  } else if (destination.has_snapshots) {
    add(Light::red, "home",
        "the VM of before has snapshots, so that its disks cannot be written: remove them in vSphere, or let "
        "a "
        "new VM be made ('--to new')");
  } else if (const Result<> writable = check_writable(destination); !writable.ok()) {
    add(Light::red, "home", writable.error().message());
  } else if (destination.was_on) {
    add(Light::yellow, "home",
        fmt::format(
            "the VM of before runs in {}: it is switched off, and what it wrote since the failover is "
            "given up",
            destination.datacenter));
  } else {
    add(Light::green, "home", fmt::format("into the VM of before, in {}", destination.datacenter));
  }
}

void Check::check_new(const Failover& failover, const FailbackRequest& request,
                      const Destination& destination) {
  const auto point = parts_.catalog.get<RecoveryPoint>(failover.recovery_point_id.str());
  if (!point.ok()) return;  // said already
  const auto wanted = new_machine_of(plan_, *point, request, destination.original_is_there, "rekindle-check");
  const auto target = parts_.sites.restore_target(destination.datacenter);
  Result<> accepted;
  if (!wanted.ok()) {
    accepted = wanted.error();
  } else {
    accepted = target.ok() ? (*target)->check_new_machine(*wanted) : Result<>(target.error());
  }
  if (!accepted.ok()) {
    add(Light::red, "home", accepted.error().message());
  } else {
    add(Light::green, "home",
        fmt::format("into a new VM '{}' in {}", wanted->machine.name, destination.datacenter));
    check_variables(*point);
  }
}

// A machine of UEFI whose boot loader is where only its own boot entry says would not start.
void Check::check_variables(const RecoveryPoint& point) {
  if (point.machine.firmware != Firmware::uefi) return;
  const auto vault = parts_.vaults.vault(point.vault);
  const auto stored = vault.ok() ? (*vault)->get(point.id) : Result<VaultPoint>(vault.error());
  if (!stored.ok() || has_firmware_variables(*stored)) return;  // the former is said already
  add(Light::yellow, "firmware",
      "no backup of it has the variables of its UEFI firmware: the new VM starts from the boot loader's "
      "fallback path, EFI/BOOT/BOOTX64.EFI, which must be there, and with new keys of secure boot; rehearse "
      "it with '--test'");
}

void Check::check_destination(const Failover& failover, const FailbackRequest& request) {
  const auto destination = find_destination(parts_.catalog, parts_.sites, plan_, request);
  if (!destination.ok()) {
    add(Light::red, "home", destination.error().message());
  } else if (destination->machine_id.empty()) {
    check_new(failover, request, *destination);
    if (!request.test) check_left_behind(destination->machine_id);
  } else {
    check_original(failover, *destination);
  }
}

void Check::check_settings(const FailbackSettings& settings, bool test) {
  if (!settings.health_check.empty() || test) return;
  add(Light::yellow, "health check",
      "the plan names none for home: a VM that is switched on counts as come home, whether or not its "
      "service "
      "answers; set failback.health_check");
}

Result<> Check::check(const Failover& failover, ComeHomeTo to, bool test) {
  machine_ = failover.machine;
  const PlanMachine* machine = TRY(find_machine(plan_, machine_));
  FailbackRequest request;
  request.plan = plan_.name;
  request.machine = machine_;
  request.failover_id = failover.id;
  request.to = to;
  request.test = test;
  check_instance(failover);
  TRY(check_base(failover));
  check_volumes(failover);
  TRY(check_earlier(failover));
  check_destination(failover, request);
  check_settings(failback_settings_of(plan_, *machine), test);
  if (test) return {};
  const auto downtime = TRY(forecaster_.forecast(machine_, nlohmann::json::array()));
  add(Light::green, "downtime",
      fmt::format("about {}; of it {} for the boot, {}", human_duration(downtime.total),
                  human_duration(downtime.boot), downtime.boot_from));
  result.forecast = std::max(result.forecast.value_or(downtime.total), downtime.total);
  return {};
}

}  // namespace

Result<Preflight> check_failback(const FailbackCheckParts& parts, const DrPlan& plan,
                                 const std::vector<std::string>& machines, ComeHomeTo to, bool test) {
  Check check(parts, plan);
  const auto away = TRY(machines_away(parts.catalog, plan, machines));
  for (const auto& [machine, failover] : away) TRY(check.check(failover, to, test), "{}", machine);
  return std::move(check.result);
}

}  // namespace rekindle
