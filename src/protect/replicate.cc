#include "protect/replicate.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/log.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "protect/image_copy.h"

namespace rekindle {

nlohmann::json parameters_of(const ReplicateRequest& request) {
  return {{"plan", request.plan}, {"machine", request.machine}};
}

namespace {

// Of the blocks that were not written, how many are read back all the same: they prove the lineage.
constexpr std::size_t sampled_blocks = 32;

std::string token_of(const Job& job, std::size_t disk) {
  return fmt::format("rekindle-{}-disk-{}", job.id, disk);
}

class Replication {
 public:
  Replication(Sites& sites, Vaults& vaults) : sites_(sites), vaults_(vaults) {}

  Result<> choose(StepContext& context);
  Result<> start_images(StepContext& context);
  Result<> write(StepContext& context);
  Result<> verify(StepContext& context);
  Result<> switch_copy(StepContext& context);
  Result<> remove_old(StepContext& context);

 private:
  Result<RecoveryTarget*> target(const Job& job) { return sites_.account(text(job.data, "account")); }
  Result<> write_disk(StepContext& context, const DrCopyDisk& disk, std::size_t position);
  Result<> verify_disk(StepContext& context, const DrCopyDisk& disk, std::size_t position);
  Result<> drop_lost_images(const Job& job, DrCopy& copy);
  Result<Extents> differing(StepContext& context, const DiskId& disk);
  Result<std::unique_ptr<BlockSource>> open_point_disk(const Job& job, const DiskId& disk);

  Sites& sites_;
  Vaults& vaults_;
};

DrCopy copy_of(const Job& job) {
  return job.data.at("copy").get<DrCopy>();
}

// The copy that is being replaced, if there is one.
std::optional<DrCopy> old_copy_of(const Job& job) {
  if (!job.data.contains("old_copy")) return std::nullopt;
  return job.data.at("old_copy").get<DrCopy>();
}

Result<RecoveryPoint> newest_point(Catalog& catalog, const std::string& machine) {
  auto points = TRY(catalog.list<RecoveryPoint>(machine));
  const auto known = catalog.get<ProtectedMachine>(machine);
  // Not those of an earlier machine of that name.
  if (known.ok())
    std::erase_if(points, [&](const RecoveryPoint& point) { return point.machine.id != known->id; });
  if (points.empty()) {
    return error(ErrorCode::failed_precondition,
                 "{} has no recovery point yet; back it up with 'rekindle backup run {}'", machine, machine);
  }
  return points.back();  // in the order they were made, whatever the clock said
}

Result<std::optional<DrCopy>> current_copy(Catalog& catalog, const Job& job) {
  const auto copies = TRY(catalog.list<DrCopy>(text(job.parameters, "machine")));
  for (const DrCopy& copy : copies) {
    if (copy.plan == text(job.parameters, "plan") && copy.state == DrCopyState::current)
      return std::optional(copy);
  }
  return std::optional<DrCopy>();
}

DrCopy copy_to_make(const Job& job, const RecoveryPoint& point) {
  DrCopy copy;
  copy.id = id_by_job("copy", job.id);
  copy.job_id = job.id;
  copy.account = text(job.data, "account");
  copy.plan = text(job.parameters, "plan");
  copy.machine = text(job.parameters, "machine");
  copy.recovery_point_id = point.id;
  copy.recovery_point_time = point.time;
  copy.firmware = point.machine.firmware;
  for (const RecoveryPointDisk& disk : point.disks)
    copy.disks.push_back({disk.disk_id, ImageId(), disk.size_bytes});
  return copy;
}

// Images that somebody removed behind our back, or that lie in the account that the plan named before: their
// disks are written whole again.
Result<> Replication::drop_lost_images(const Job& job, DrCopy& copy) {
  if (copy.account != text(job.data, "account")) {
    copy.disks.clear();
    return {};
  }
  RecoveryTarget* site = TRY(target(job));
  std::vector<DrCopyDisk> kept;
  for (const DrCopyDisk& disk : copy.disks) {
    const auto image = site->image(disk.image_id);
    if (!image.ok() && image.error().code() != ErrorCode::not_found) return image.error();
    if (image.ok() && image->state == ImageState::complete) {
      kept.push_back(disk);
    } else {
      log::warn("{}: the image {} of the present DR copy is gone; writing that disk whole", copy.machine,
                disk.image_id);
    }
  }
  copy.disks = std::move(kept);
  return {};
}

Result<> Replication::choose(StepContext& context) {
  Job& job = context.job;
  const auto plan = TRY(context.catalog.get<DrPlan>(text(job.parameters, "plan")));
  job.data["account"] = plan.account;
  TRY(target(job));
  TRY(sweep_finished_jobs(context.catalog, sites_, context.clock, plan.account));
  const RecoveryPoint point = TRY(newest_point(context.catalog, text(job.parameters, "machine")));
  auto old_copy = TRY(current_copy(context.catalog, job));
  const std::size_t disks = old_copy ? old_copy->disks.size() : 0;
  if (old_copy) TRY(drop_lost_images(job, *old_copy));
  job.data["vault"] = point.vault;
  job.data["copy"] = copy_to_make(job, point);
  job.data.erase("old_copy");
  if (old_copy) job.data["old_copy"] = *old_copy;
  job.data["up_to_date"] =
      old_copy && disks > 0 && old_copy->disks.size() == disks && old_copy->recovery_point_id == point.id;
  return {};
}

bool up_to_date(const Job& job) {
  return job.data.value("up_to_date", false);
}

// The image of the old copy that a disk's new image is a child of. A disk that grew or shrank starts anew.
std::optional<ImageId> parent_of(const Job& job, const DrCopyDisk& disk) {
  const auto old_copy = old_copy_of(job);
  if (!old_copy) return std::nullopt;
  for (const DrCopyDisk& old_disk : old_copy->disks) {
    if (old_disk.disk_id == disk.disk_id && old_disk.size_bytes == disk.size_bytes) return old_disk.image_id;
  }
  return std::nullopt;
}

Result<> Replication::start_images(StepContext& context) {
  Job& job = context.job;
  if (up_to_date(job)) return {};
  RecoveryTarget* site = TRY(target(job));
  DrCopy copy = copy_of(job);
  for (std::size_t i = 0; i < copy.disks.size(); ++i) {
    ImageSpec spec;
    spec.size_bytes = copy.disks[i].size_bytes;
    spec.parent = parent_of(job, copy.disks[i]);
    spec.description = fmt::format("Rekindle: DR copy of {}, disk {}", copy.machine, i);
    spec.token = token_of(job, i);
    spec.tags = {{token_tag, spec.token},
                 {"rekindle:job", job.id.str()},
                 {"rekindle:plan", copy.plan},
                 {"rekindle:machine", copy.machine},
                 {"rekindle:recovery-point", copy.recovery_point_id.str()}};
    LedgerEntry entry;
    entry.token = spec.token;
    entry.kind = ResourceKind::image;
    entry.site = copy.account;
    copy.disks[i].image_id =
        TRY(make_resource(context, entry, [&] { return site->start_image(spec); }), "disk {}", i);
  }
  job.data["copy"] = copy;
  return {};
}

Result<std::unique_ptr<BlockSource>> Replication::open_point_disk(const Job& job, const DiskId& disk) {
  Vault* vault = TRY(vaults_.vault(text(job.data, "vault")));
  return vault->open_disk(copy_of(job).recovery_point_id, disk);
}

// Where the new image must be written: what differs from its parent image; without one, what is not zero.
Result<Extents> Replication::differing(StepContext& context, const DiskId& disk) {
  const Job& job = context.job;
  Vault* vault = TRY(vaults_.vault(text(job.data, "vault")));
  const DrCopy copy = copy_of(job);
  const auto found = std::find_if(copy.disks.begin(), copy.disks.end(),
                                  [&](const DrCopyDisk& candidate) { return candidate.disk_id == disk; });
  if (parent_of(job, *found)) {
    auto differences = vault->diff(old_copy_of(job)->recovery_point_id, copy.recovery_point_id, disk);
    if (differences.ok() || differences.error().code() != ErrorCode::not_found) return differences;
    // The old point is gone from the vault: everything is written again, zeros too, on top of the old image.
    log::info("disk {}: the recovery point of the present DR copy is gone; writing everything", disk);
    return Extents{{0, found->size_bytes}};
  }
  RecoveryTarget* site = TRY(target(job));
  if (TRY(site->image(found->image_id)).zeros_must_be_put) return Extents{{0, found->size_bytes}};
  const auto source = TRY(open_point_disk(job, disk));
  return source->data_extents({0, source->size()});
}

Result<> Replication::write_disk(StepContext& context, const DrCopyDisk& disk, std::size_t position) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(job));
  const Image image = TRY(site->image(disk.image_id));
  if (image.state == ImageState::complete) return {};
  if (image.state == ImageState::failed) {
    return error(ErrorCode::internal, "the image {} failed at the site: {}", disk.image_id, image.detail);
  }
  const Extents areas = TRY(differing(context, disk.disk_id));
  const auto blocks = blocks_of(areas);
  const auto source = TRY(open_point_disk(job, disk.disk_id));
  auto writer = TRY(site->open_writer(disk.image_id));
  context.progress.bytes_total += blocks.size() * image_block_bytes;
  const std::string key = fmt::format("blocks_put_{}", position);
  const std::size_t done = std::min(job.data.value(key, std::size_t{0}), blocks.size());
  TRY(put_blocks(*source, blocks, done, *writer, context.progress, context.stop,
                 [&](std::size_t put) -> Result<> {
                   job.data[key] = put;
                   TRY(context.catalog.save_job(job));
                   crash_point("replicate/write/window");
                   return {};
                 }));
  crash_point("replicate/write/put");
  TRY(writer->complete(), "completing {}", disk.image_id);
  crash_point("replicate/write/completed");
  return {};
}

Result<> Replication::write(StepContext& context) {
  Job& job = context.job;
  if (up_to_date(job)) return {};
  const DrCopy copy = copy_of(job);
  for (std::size_t i = 0; i < copy.disks.size(); ++i)
    TRY(write_disk(context, copy.disks[i], i), "disk {}", i);
  return {};
}

Result<> Replication::verify_disk(StepContext& context, const DrCopyDisk& disk, std::size_t position) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(job));
  const auto source = TRY(open_point_disk(job, disk.disk_id));
  const auto image = TRY(site->open_image(disk.image_id));
  auto blocks = blocks_of(TRY(differing(context, disk.disk_id)));
  job.data[fmt::format("blocks_put_{}", position)] = blocks.size();
  // Random others: those that the image has from its parent, or that must be zeros.
  const std::uint64_t all = (disk.size_bytes + image_block_bytes - 1) / image_block_bytes;
  for (std::size_t i = 0; i < std::min<std::uint64_t>(sampled_blocks, all); ++i)
    blocks.push_back(context.random.below(all));
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  context.progress.bytes_total += blocks.size() * image_block_bytes;
  return compare_blocks(*source, *image, blocks, context.progress, context.stop);
}

Result<> Replication::verify(StepContext& context) {
  if (up_to_date(context.job)) return {};
  const DrCopy copy = copy_of(context.job);
  for (std::size_t i = 0; i < copy.disks.size(); ++i)
    TRY(verify_disk(context, copy.disks[i], i), "disk {}", i);
  return {};
}

Result<> Replication::switch_copy(StepContext& context) {
  const Job& job = context.job;
  if (up_to_date(job)) return {};
  return context.catalog.transaction([&]() -> Result<> {
    if (auto old_copy = old_copy_of(job)) {
      old_copy->state = DrCopyState::retired;
      TRY(context.catalog.put(*old_copy));
      TRY(context.catalog.release_uses("dr_copy:" + old_copy->id));
    }
    DrCopy copy = copy_of(job);
    copy.state = DrCopyState::current;
    for (std::size_t i = 0; i < copy.disks.size(); ++i) {
      TRY(context.catalog.mark_used(token_of(job, i), "dr_copy:" + copy.id));
    }
    return context.catalog.put(copy);
  });
}

Result<> Replication::remove_old(StepContext& context) {
  const auto old_copy = old_copy_of(context.job);
  if (up_to_date(context.job) || !old_copy) return {};
  // The new copy is in place: what cannot be removed yet is for the next sweep, and no failure.
  const Result<> swept = sweep_job(context.catalog, sites_, context.clock, old_copy->job_id);
  if (!swept.ok()) {
    log::warn("{}: not all could be removed yet: {}", context.job.id, swept.error().message());
    context.job.data["left_behind"] = swept.error().message();
  }
  const Result<> removed = context.catalog.remove<DrCopy>(old_copy->id);
  if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed.error();
  return {};
}

}  // namespace

JobProcedure replicate_procedure(Sites& sites, Vaults& vaults) {
  auto replication = std::make_shared<Replication>(sites, vaults);
  JobProcedure procedure;
  procedure.kind = JobKind::replicate;
  procedure.steps = {
      {"choose", "control plane", "choosing the recovery point",
       method_of(replication, &Replication::choose)},
      {"start_images", "AWS proxy", "starting the images",
       method_of(replication, &Replication::start_images)},
      {"write", "AWS proxy", "writing differing blocks", method_of(replication, &Replication::write)},
      {"verify", "AWS proxy", "reading back and comparing", method_of(replication, &Replication::verify)},
      {"switch", "control plane", "switching to the new DR copy",
       method_of(replication, &Replication::switch_copy)},
      {"remove_old", "AWS proxy", "removing the old DR copy",
       method_of(replication, &Replication::remove_old), true},
  };
  procedure.clean_up = [&sites](StepContext& context) {
    return sweep_job(context.catalog, sites, context.clock, context.job.id);
  };
  return procedure;
}

}  // namespace rekindle
