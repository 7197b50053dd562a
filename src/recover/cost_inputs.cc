#include "recover/cost_inputs.h"

#include <algorithm>

#include "jobs/dr_copies.h"
#include "model/copy_encryption.h"
#include "model/json.h"
#include "recover/launch_settings.h"

namespace rekindle {

namespace {

// The mean is of so many replications at most.
constexpr std::size_t counted = 20;
// Of the blocks that were not written, so many of each disk are read back all the same (protect/replicate).
constexpr std::size_t sampled_blocks = 32;

// What the replications of a machine wrote, by disk.
struct Writes {
  std::vector<std::uint64_t> most;  // blocks of each disk, in any one: the first writes all that is in use
  std::vector<std::uint64_t>
      updates;  // blocks of all disks, newest first: of those that only brought a copy up
};

Writes writes_of(const std::vector<Job>& jobs, const std::string& plan, std::size_t disks) {
  Writes writes{std::vector<std::uint64_t>(disks), {}};
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    const bool same = job->kind == JobKind::replicate && job->state == JobState::succeeded &&
                      text(job->parameters, "plan") == plan && !job->parameters.contains("point");
    if (!same) continue;
    std::uint64_t all = 0;
    for (std::size_t disk = 0; disk < disks; ++disk) {
      const auto put = job->data.value(fmt::format("blocks_put_{}", disk), std::uint64_t{0});
      writes.most[disk] = std::max(writes.most[disk], put);
      all += put;
    }
    const bool is_update = job->data.contains("old_copy") && !job->data.contains("anew");
    if (is_update && writes.updates.size() < counted) writes.updates.push_back(all);
  }
  return writes;
}

double mean(const std::vector<std::uint64_t>& values) {
  double sum = 0;
  for (const std::uint64_t value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

class Gathering {
 public:
  Gathering(Catalog& catalog, Sites& sites, DrPlan plan, double hours_per_month)
      : catalog_(catalog), sites_(sites), plan_(std::move(plan)), hours_per_month_(hours_per_month) {}

  Result<CostInputs> run() {
    inputs_.write = plan_.write;
    for (const PlanMachine& machine : plan_.machines) TRY(add(machine));
    return std::move(inputs_);
  }

 private:
  void leave_out(const std::string& machine, const std::string& why) {
    inputs_.left_out.push_back(machine + ": " + why);
  }

  Result<> add(const PlanMachine& machine);
  Result<DrCopy> copy_of(const std::string& machine, const std::vector<RecoveryPoint>& points);
  std::string type_of(const DrCopy& copy, FailoverSettings settings);
  Result<double> replications_of(const std::string& machine);
  Result<> add_writes(CostMachine& cost, const std::vector<RecoveryPoint>& points);

  Catalog& catalog_;
  Sites& sites_;
  const DrPlan plan_;
  const double hours_per_month_;
  CostInputs inputs_;
};

// The present one, else what the first would be.
Result<DrCopy> Gathering::copy_of(const std::string& machine, const std::vector<RecoveryPoint>& points) {
  auto current = TRY(current_copy(catalog_, plan_.name, machine));
  if (current) return *std::move(current);
  DrCopy copy;
  copy.plan = plan_.name;
  copy.machine = machine;
  if (points.empty()) return copy;
  copy.vcpus = points.back().machine.vcpus;
  copy.memory_mib = points.back().machine.memory_mib;
  for (const RecoveryPointDisk& disk : points.back().disks)
    copy.disks.push_back({disk.disk_id, ImageId(), disk.size_bytes});
  return copy;
}

std::string Gathering::type_of(const DrCopy& copy, FailoverSettings settings) {
  if (settings.instance_type != "auto") return settings.instance_type;
  settings.private_ip = "auto";  // it costs nothing: nobody is asked about it
  const auto site = sites_.account(plan_.account);
  const auto resolved =
      site.ok() ? resolve_settings(**site, copy, settings) : Result<FailoverSettings>(site.error());
  if (resolved.ok()) return resolved->instance_type;
  leave_out(copy.machine, "its instance type is not known: " + resolved.error().message());
  return "";
}

Result<double> Gathering::replications_of(const std::string& machine) {
  if (plan_.replicate.kind != ScheduleKind::after_backup) return runs_in(plan_.replicate, hours_per_month_);
  const auto known = catalog_.get<ProtectedMachine>(machine);
  const auto policies = TRY(catalog_.list<BackupPolicy>());
  double runs = 0;
  for (const BackupPolicy& policy : policies) {
    const bool backs_up =
        std::any_of(policy.machines.begin(), policy.machines.end(), [&](const std::string& name) {
          return name == machine ||
                 (known.ok() && known->datacenter == policy.datacenter && known->id.str() == name);
        });
    if (backs_up) runs += runs_in(policy.schedule, hours_per_month_);
  }
  return runs;
}

// Encrypted images hold every block, zeros too. A kept copy holds what differs from the next one; of a
// machine that was never replicated the first copy will hold what its last full backup found in use.
Result<> Gathering::add_writes(CostMachine& cost, const std::vector<RecoveryPoint>& points) {
  const auto jobs = TRY(catalog_.jobs_of(cost.machine));
  const Writes writes = writes_of(jobs, plan_.name, cost.disk_bytes.size());
  std::uint64_t size = 0;
  std::uint64_t held = 0;
  for (std::size_t disk = 0; disk < cost.disk_bytes.size(); ++disk) {
    size += cost.disk_bytes[disk];
    held += std::min(cost.disk_bytes[disk], writes.most[disk] * image_block_bytes);
  }
  if (encrypts_copies(plan_)) {
    held = size;
  } else if (held == 0) {
    const auto full =
        std::find_if(points.rbegin(), points.rend(), [](const RecoveryPoint& point) { return point.full; });
    held = full == points.rend() ? size : std::min(size, full->bytes_changed);
  }
  cost.image_bytes = held;
  if (writes.updates.empty()) return {};
  cost.blocks_put = mean(writes.updates);
  const double samples = static_cast<double>(sampled_blocks * cost.disk_bytes.size());
  cost.blocks_read =
      plan_.verify_all ? static_cast<double>(size) / image_block_bytes : *cost.blocks_put + samples;
  const double of_one = *cost.blocks_put * static_cast<double>(image_block_bytes);
  cost.image_bytes +=
      static_cast<std::uint64_t>(of_one) * static_cast<std::uint64_t>(std::max(0, plan_.keep_copies - 1));
  return {};
}

Result<> Gathering::add(const PlanMachine& machine) {
  const auto points = TRY(catalog_.list<RecoveryPoint>(machine.machine));
  const DrCopy copy = TRY(copy_of(machine.machine, points));
  if (copy.disks.empty()) {
    leave_out(machine.machine, "it was never backed up, so all that it costs");
    return {};
  }
  const FailoverSettings settings = settings_of(plan_, machine, FailoverKind::production);
  CostMachine cost;
  cost.machine = machine.machine;
  cost.instance_type = type_of(copy, settings);
  cost.volumes = settings.volumes;
  for (const DrCopyDisk& disk : copy.disks) cost.disk_bytes.push_back(disk.size_bytes);
  cost.replications = TRY(replications_of(machine.machine));
  TRY(add_writes(cost, points));
  inputs_.machines.push_back(std::move(cost));
  return {};
}

}  // namespace

Result<CostInputs> cost_inputs(Catalog& catalog, Sites& sites, const std::string& plan,
                               double hours_per_month) {
  auto found = TRY(catalog.get<DrPlan>(plan));
  return Gathering(catalog, sites, std::move(found), hours_per_month).run();
}

}  // namespace rekindle
