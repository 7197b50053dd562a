#include "protect/adopted_machine.h"

#include "model/json.h"

namespace rekindle {

namespace {

Result<> check_is_free(Catalog& catalog, const AdoptRequest& request) {
  const auto known = catalog.get<ProtectedMachine>(request.machine);
  if (known.ok())
    return error(ErrorCode::failed_precondition, "there is a machine {} already; choose another name",
                 request.machine);
  if (known.error().code() != ErrorCode::not_found) return known.error();
  const auto failovers = TRY(catalog.list<Failover>());
  for (const Failover& failover : failovers) {
    if (failover.instance_id != request.instance_id || failover.state == FailoverState::released) continue;
    return error(ErrorCode::failed_precondition, "the instance {} is the machine {} of the plan {} already",
                 request.instance_id, failover.machine, failover.plan);
  }
  return {};
}

// As it will be at home: under new ids, with one network card.
Result<Machine> machine_at_home(Sites& sites, const DrPlan& plan, const Instance& instance, Random& random,
                                const AdoptRequest& request) {
  RecoveryTarget* account = TRY(sites.account(plan.account));
  SnapshotSource* instances = TRY(sites.instances_of(plan.account));
  const Machine there = TRY(instances->machine(MachineId(request.instance_id.str())));
  const InstanceSize size = TRY(account->size_of_type(instance.instance_type));
  if (there.disks.empty())
    return error(ErrorCode::failed_precondition,
                 "the instance {} has no volumes, so that nothing of it can be kept", request.instance_id);
  Machine machine;
  machine.id = MachineId(random.uuid());
  machine.name = request.machine;
  machine.firmware = instance.firmware;
  machine.vcpus = size.vcpus;
  machine.memory_mib = size.memory_mib;
  machine.guest_os = "otherLinux64Guest";
  for (const DiskSpec& disk : there.disks) {
    const int position = static_cast<int>(machine.disks.size());
    machine.disks.push_back(
        {DiskId(random.uuid()), fmt::format("Hard disk {}", position + 1), disk.size_bytes, position, ""});
  }
  machine.nics = {{"Network adapter 1", "", request.network, "vmxnet3"}};
  return machine;
}

// What every later point builds upon: disks on which nothing was written yet.
Result<RecoveryPoint> store_zeros(Vault& vault, const AdoptRequest& request, const Machine& machine, Time now,
                                  Random& random) {
  RecoveryPoint point;
  point.id = RecoveryPointId("point-" + random.hex(8));
  point.vault = request.vault;
  point.datacenter = request.datacenter;
  point.machine = machine;
  point.time = now;
  point.full = true;
  NewPoint start{point.id, machine.id, {}, {}};
  for (const DiskSpec& disk : machine.disks) {
    start.disks.push_back({disk.id, disk.size_bytes});
    point.disks.push_back({disk.id, disk.size_bytes, "", {}});
  }
  const auto writer = TRY(vault.begin_point(start));
  TRY(writer->commit(point.time, nlohmann::json(point).dump()));
  return point;
}

Failover record_of(const DrPlan& plan, const AdoptRequest& request, const RecoveryPoint& point,
                   const Instance& instance) {
  Failover failover;
  failover.id = "failover-" + point.id.str().substr(std::string_view("point-").size());
  failover.plan = plan.name;
  failover.machine = request.machine;
  failover.account = plan.account;
  failover.instance_id = request.instance_id;
  failover.private_ip = instance.private_ip;
  failover.public_ip = instance.public_ip;
  failover.recovery_point_id = point.id;
  failover.recovery_point_time = point.time;
  failover.started = point.time;
  failover.finished = point.time;
  failover.volume_ids = instance.volume_ids;
  failover.born_there = true;
  return failover;
}

}  // namespace

Result<Failover> adopt_machine(Catalog& catalog, Sites& sites, Vaults& vaults, Clock& clock, Random& random,
                               const AdoptRequest& request) {
  auto plan = TRY(catalog.get<DrPlan>(request.plan));
  TRY(catalog.get<Datacenter>(request.datacenter));
  TRY(check_is_free(catalog, request));
  Vault* vault = TRY(vaults.vault(request.vault));
  RecoveryTarget* account = TRY(sites.account(plan.account));
  const Instance instance = TRY(account->instance(request.instance_id));
  const Machine machine = TRY(machine_at_home(sites, plan, instance, random, request));
  const RecoveryPoint point = TRY(store_zeros(*vault, request, machine, clock.now(), random));
  const Failover failover = record_of(plan, request, point, instance);
  plan.machines.push_back({request.machine, {}, {}});
  TRY(catalog.transaction([&]() -> Result<> {
    TRY(check_is_free(catalog, request));
    TRY(catalog.put(point));
    TRY(catalog.put(
        ProtectedMachine{request.machine, machine.id, request.datacenter, request.vault, RunsAt::account}));
    TRY(catalog.put(failover));
    return catalog.put(plan);
  }));
  return failover;
}

}  // namespace rekindle
