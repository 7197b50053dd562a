#include "protect/replicate.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/log.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "prepare/boot_certificate.h"
#include "prepare/copy_template.h"
#include "protect/copy_content.h"
#include "protect/copy_damage.h"
#include "protect/copy_records.h"
#include "protect/copy_verification.h"
#include "protect/firmware_variables.h"
#include "protect/image_copy.h"
#include "protect/lost_images.h"
#include "protect/retired_copies.h"

namespace rekindle {

nlohmann::json parameters_of(const ReplicateRequest& request) {
  nlohmann::json parameters = {{"plan", request.plan}, {"machine", request.machine}};
  if (!request.point.empty()) parameters["point"] = request.point;
  return parameters;
}

namespace {

class Replication {
 public:
  Replication(Sites& sites, Vaults& vaults) : sites_(sites), vaults_(vaults) {}

  Result<> choose(StepContext& context);
  Result<> convert(StepContext& context);
  Result<> start_images(StepContext& context);
  Result<> write(StepContext& context);
  Result<> verify(StepContext& context);
  Result<> register_template(StepContext& context);
  Result<> switch_copy(StepContext& context);

 private:
  Result<RecoveryTarget*> target(const Job& job) { return sites_.account(text(job.data, "account")); }
  Result<CopyContent*> content(const Job& job);
  Result<std::optional<DrCopy>> find_kept(StepContext& context, const DrPlan& plan,
                                          const RecoveryPointId& point, bool ahead);
  Result<ImageSpec> image_spec(const Job& job, std::size_t position);
  Result<> start_image(StepContext& context, std::size_t position);
  Result<> start_volume(StepContext& context, std::size_t position);
  Result<bool> zeros_must_be_put(const Job& job, std::size_t position);
  Result<> put(StepContext& context, ImageWriter& writer, std::size_t position);
  Result<> write_image(StepContext& context, std::size_t position);
  Result<> write_volume(StepContext& context, std::size_t position);
  Result<ImageId> freeze_volume(StepContext& context, std::size_t position);
  Result<> wait_until_complete(StepContext& context, const ImageId& id);
  Result<> verify_disk(StepContext& context, std::size_t position);
  Result<> forget_template(StepContext& context, DrCopy& copy);

  Sites& sites_;
  Vaults& vaults_;
  std::optional<CopyContent> content_;
  std::string content_of_;  // the job it is for
};

bool up_to_date(const Job& job) {
  return job.data.value("up_to_date", false);
}

bool through_volume(const Job& job) {
  return job.data.value("write", ImageWriting::direct) == ImageWriting::volume;
}

bool has_volume(const Job& job, std::size_t position) {
  const auto volumes = job.data.find("volumes");
  return volumes != job.data.end() && volumes->size() > position;
}

// Of an earlier point, for one failover: the current copy stays what it is.
bool is_aside(const Job& job) {
  return job.parameters.contains("point");
}

Result<CopyContent*> Replication::content(const Job& job) {
  if (content_ && content_of_ == job.id.str()) return &*content_;
  Vault* vault = TRY(vaults_.vault(text(job.data, "vault")));
  content_.emplace(*vault, copy_of(job), base_copy_of(job));
  content_of_ = job.id.str();
  // Of a job that goes on after a crash.
  const DrCopy copy = copy_of(job);
  if (copy.converted) {
    TRY(content_->convert(), "converting {} again", copy.machine);
    if (overlay_of(content_->conversion().blocks) != copy.overlay) {
      content_.reset();
      return error(
          ErrorCode::internal,
          "converting {} again gave other blocks than before (was Rekindle updated meanwhile?); this DR "
          "copy is thrown away, the next one begins anew",
          copy.machine);
    }
  }
  return &*content_;
}

Result<> Replication::choose(StepContext& context) {
  Job& job = context.job;
  const auto plan = TRY(context.catalog.get<DrPlan>(text(job.parameters, "plan")));
  const bool ahead = plan.convert == ConvertWhen::ahead;
  job.data["account"] = plan.account;
  job.data["ahead"] = ahead;
  job.data["workflow"] = plan.workflow;
  job.data["write"] = plan.write;
  job.data["verify_all"] = plan.verify_all;
  job.data["keep_copies"] = plan.keep_copies;
  job.data.erase("anew");
  TRY(target(job));
  TRY(forget_stale_copies(context.catalog, text(job.parameters, "machine"), context.clock.now()));
  TRY(sweep_finished_jobs(context.catalog, sites_, context.clock, plan.account));
  const RecoveryPoint point =
      TRY(chosen_point(context.catalog, text(job.parameters, "machine"), text(job.parameters, "point")));
  auto old_copy =
      TRY(current_copy(context.catalog, text(job.parameters, "plan"), text(job.parameters, "machine")));
  const std::size_t disks = old_copy ? old_copy->disks.size() : 0;
  if (old_copy) TRY(drop_lost_images(sites_, plan.account, *old_copy));
  if (old_copy && old_copy->account == plan.account) {
    RecoveryTarget* site = TRY(target(job));
    TRY(drop_lost_template(context.catalog, *site, context.clock, *old_copy));
  }
  const bool done = old_copy && disks > 0 && old_copy->disks.size() == disks && old_copy->damaged.empty() &&
                    old_copy->recovery_point_id == point.id && old_copy->certificate.has_value() == ahead &&
                    is_encrypted_as(*old_copy, plan);
  const auto kept = done || !is_aside(job) ? std::nullopt : TRY(find_kept(context, plan, point.id, ahead));
  job.data["up_to_date"] = done || kept.has_value();
  job.data["vault"] = point.vault;
  job.data["copy"] = kept ? *kept : done ? *old_copy : copy_to_make(job, point, plan);
  job.data.erase("old_copy");
  if (old_copy) job.data["old_copy"] = *old_copy;
  if (old_copy && !is_encrypted_as(*old_copy, plan)) {  // children are encrypted as their parents
    for (const DrCopyDisk& disk : old_copy->disks) begin_anew(job, disk.disk_id);
  }
  if (old_copy) {
    make_damaged_anew(job, *old_copy);
    begin_parentless_anew(job);
  }
  content_.reset();
  return {};
}

// A copy of that point that is still whole: nothing has to be made.
Result<std::optional<DrCopy>> Replication::find_kept(StepContext& context, const DrPlan& plan,
                                                     const RecoveryPointId& point, bool ahead) {
  const Job& job = context.job;
  const auto copies = TRY(context.catalog.list<DrCopy>(text(job.parameters, "machine")));
  for (DrCopy copy : copies) {
    const bool fits = copy.state == DrCopyState::kept && copy.plan == text(job.parameters, "plan") &&
                      copy.recovery_point_id == point && copy.certificate.has_value() == ahead &&
                      copy.damaged.empty() && is_encrypted_as(copy, plan);
    if (!fits) continue;
    const std::size_t disks = copy.disks.size();
    TRY(drop_lost_images(sites_, plan.account, copy));
    if (copy.disks.size() == disks) return std::optional(copy);
  }
  return std::optional<DrCopy>();
}

// A guest that cannot be converted is replicated all the same: its data are safe, and the certificate says
// what a failover would need.
Result<> Replication::convert(StepContext& context) {
  Job& job = context.job;
  if (up_to_date(job) || !job.data.value("ahead", false)) return {};
  DrCopy copy = copy_of(job);
  Vault* vault = TRY(vaults_.vault(text(job.data, "vault")));
  CopyContent* made = TRY(content(job));
  const Result<> converted = made->convert();
  if (!converted.ok() && !cannot_be_converted(converted.error())) return converted;
  BootCertificate certificate =
      converted.ok() ? made->conversion().certificate : certify_failure(converted.error());
  if (converted.ok()) {
    copy.converted = true;
    copy.overlay = overlay_of(made->conversion().blocks);
    copy.conversion = made->conversion().report;
  } else {
    log::warn("{}: its DR copy will not boot on EC2: {}", copy.machine, converted.error().message());
  }
  const VaultPoint point = TRY(vault->get(copy.recovery_point_id));
  certificate.recovery_point_id = point.id;
  for (const PointDisk& disk : disks_of_machine(point))
    certificate.content_ids.push_back(to_hex(disk.content_id()));
  certificate.signature = vault->sign(signed_text(certificate));
  copy.certificate = std::move(certificate);
  job.data["copy"] = copy;
  return {};
}

Result<ImageSpec> Replication::image_spec(const Job& job, std::size_t position) {
  const CopyContent* wanted = TRY(content(job));
  const DrCopy copy = copy_of(job);
  ImageSpec spec;
  spec.size_bytes = copy.disks[position].size_bytes;
  spec.parent = wanted->parent_of(position);
  spec.description = fmt::format("Rekindle: DR copy of {}, disk {}", copy.machine, position);
  spec.token = image_token(job, position);
  spec.tags = tags_of(job, copy, spec.token);
  if (!spec.parent) spec.encryption = {copy.encrypted, copy.kms_key};
  return spec;
}

// What the site refuses as a child (it encrypts by default since, the parent's key is gone) is made without a
// parent: the old copy stays whole until the new one is.
Result<> Replication::start_image(StepContext& context, std::size_t position) {
  Job& job = context.job;
  DrCopy copy = copy_of(job);
  RecoveryTarget* site = TRY(target(job));
  const auto start = [&](ImageSpec spec) {
    spec.stop = context.stop;
    return make_resource(context, entry_of(copy, ResourceKind::image, spec.token),
                         [&] { return site->start_image(spec); });
  };
  const ImageSpec wanted = TRY(image_spec(job, position));
  auto id = start(wanted);
  if (!id.ok() && wanted.parent && id.error().code() == ErrorCode::failed_precondition) {
    log::warn("{}: disk {} is written whole: {}", copy.machine, position, id.error().message());
    begin_anew(job, copy.disks[position].disk_id);
    content_.reset();
    TRY(context.catalog.save_job(job));
    const ImageSpec whole = TRY(image_spec(job, position));
    id = start(whole);
  }
  copy.disks[position].image_id = TRY(std::move(id));
  job.data["copy"] = copy;
  return context.catalog.save_job(job);
}

// An account that encrypts by default since the parent was made has an encrypted volume of it: what the
// parent left out is noise there, and the disk is written whole.
Result<> Replication::start_volume(StepContext& context, std::size_t position) {
  Job& job = context.job;
  if (has_volume(job, position)) return {};  // of an earlier attempt, which may have begun the disk anew
  RecoveryTarget* site = TRY(target(job));
  const CopyContent* wanted = TRY(content(job));
  const DrCopy copy = copy_of(job);
  VolumeSpec spec;
  spec.size_bytes = copy.disks[position].size_bytes;
  spec.from = wanted->parent_of(position);
  spec.token = token_of(job, "volume", position);
  spec.tags = tags_of(job, copy, spec.token);
  if (!spec.from) spec.encryption = {copy.encrypted, copy.kms_key};
  const VolumeId id = TRY(make_resource(context, entry_of(copy, ResourceKind::volume, spec.token),
                                        [&] { return site->create_volume(spec); }));
  const bool holds_noise = TRY(site->zeros_must_be_put(id));
  if (spec.from && holds_noise) {
    log::warn("{}: disk {} is written whole: its volume is encrypted, and the present DR copy is not",
              copy.machine, position);
    begin_anew(job, copy.disks[position].disk_id);
    content_.reset();
  }
  job.data["volumes"][position] = id;
  return context.catalog.save_job(job);
}

// An image that is not written to for long fails at the site, and a large disk takes long: the others' images
// are started when it is their turn to be written.
Result<> Replication::start_images(StepContext& context) {
  Job& job = context.job;
  if (up_to_date(job)) return {};
  if (!through_volume(job)) {
    TRY(start_image(context, 0), "disk 0");
    return {};
  }
  const std::size_t disks = copy_of(job).disks.size();
  for (std::size_t i = 0; i < disks; ++i) TRY(start_volume(context, i), "disk {}", i);
  return {};
}

VolumeId volume_of(const Job& job, std::size_t position) {
  return job.data.at("volumes").at(position).get<VolumeId>();
}

Result<bool> Replication::zeros_must_be_put(const Job& job, std::size_t position) {
  RecoveryTarget* site = TRY(target(job));
  if (through_volume(job)) return site->zeros_must_be_put(volume_of(job, position));
  return TRY(site->image(copy_of(job).disks[position].image_id)).zeros_must_be_put;
}

Result<> Replication::put(StepContext& context, ImageWriter& writer, std::size_t position) {
  Job& job = context.job;
  const CopyContent* wanted = TRY(content(job));
  const bool zeros = TRY(zeros_must_be_put(job, position));
  const auto blocks = TRY(wanted->differing(position, zeros));
  const auto source = TRY(wanted->open_disk(position));
  context.progress.bytes_total += blocks.size() * image_block_bytes;
  const std::string key = fmt::format("blocks_put_{}", position);
  const std::size_t done = std::min(job.data.value(key, std::size_t{0}), blocks.size());
  TRY(put_blocks(*source, blocks, done, writer, context.progress, context.stop,
                 [&](std::size_t put) -> Result<> {
                   job.data[key] = put;
                   TRY(context.catalog.save_job(job));
                   crash_point("replicate/write/window");
                   return {};
                 }));
  job.data[key] = blocks.size();
  crash_point("replicate/write/put");
  TRY(writer.complete(context.stop), "completing it");
  return {};
}

Result<> Replication::write_image(StepContext& context, std::size_t position) {
  const Job& job = context.job;
  RecoveryTarget* site = TRY(target(job));
  if (copy_of(job).disks[position].image_id.empty()) TRY(start_image(context, position));
  const ImageId id = copy_of(job).disks[position].image_id;
  const Image image = TRY(site->image(id));
  if (image.state == ImageState::complete) return {};
  if (image.state == ImageState::failed) {
    return error(ErrorCode::internal, "the image {} failed at the site: {}", id, image.detail);
  }
  auto writer = TRY(site->open_writer(id));
  TRY(put(context, *writer, position), "{}", id);
  crash_point("replicate/write/completed");
  return {};
}

Result<> Replication::wait_until_complete(StepContext& context, const ImageId& id) {
  RecoveryTarget* site = TRY(target(context.job));
  for (;;) {
    const Image image = TRY(site->image(id));
    if (image.state == ImageState::complete) return {};
    if (image.state == ImageState::failed)
      return error(ErrorCode::internal, "the image {} failed at the site: {}", id, image.detail);
    if (!context.clock.sleep(std::chrono::milliseconds(500), context.stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
  }
}

Result<ImageId> Replication::freeze_volume(StepContext& context, std::size_t position) {
  const Job& job = context.job;
  RecoveryTarget* site = TRY(target(job));
  ImageSpec spec = TRY(image_spec(job, position));
  spec.may_exist = context.catalog.ledger_entry(spec.token).ok();
  spec.stop = context.stop;
  return make_resource(context, entry_of(copy_of(job), ResourceKind::image, spec.token),
                       [&] { return site->freeze_volume(volume_of(job, position), spec); });
}

// The volume is written, then frozen, and goes at once: it costs more than its image.
Result<> Replication::write_volume(StepContext& context, std::size_t position) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(job));
  const std::string token = token_of(job, "volume", position);
  if (TRY(context.catalog.ledger_entry(token)).state == ResourceState::released)
    return {};  // an earlier attempt
  const VolumeId volume = volume_of(job, position);
  DrCopy copy = copy_of(job);
  if (copy.disks[position].image_id.empty()) {
    auto writer = TRY(site->open_volume_writer(volume));
    TRY(put(context, *writer, position), "{}", volume);
    copy.disks[position].image_id = TRY(freeze_volume(context, position));
    job.data["copy"] = copy;
    TRY(context.catalog.save_job(job));
  }
  crash_point("replicate/write/frozen");
  TRY(wait_until_complete(context, copy.disks[position].image_id));
  TRY(site->remove_object({ResourceKind::volume, volume.str(), token, {}}), "removing the volume {}", volume);
  return context.catalog.mark_released(token);
}

Result<> Replication::write(StepContext& context) {
  Job& job = context.job;
  if (up_to_date(job)) return {};
  const std::size_t disks = copy_of(job).disks.size();
  for (std::size_t i = 0; i < disks; ++i)
    TRY(through_volume(job) ? write_volume(context, i) : write_image(context, i), "disk {}", i);
  return {};
}

Result<> Replication::verify_disk(StepContext& context, std::size_t position) {
  const Job& job = context.job;
  RecoveryTarget* site = TRY(target(job));
  const CopyContent* wanted = TRY(content(job));
  return verify_new_disk(context, *site, *wanted, position);
}

Result<> Replication::verify(StepContext& context) {
  if (up_to_date(context.job)) return {};
  const std::size_t disks = copy_of(context.job).disks.size();
  for (std::size_t i = 0; i < disks; ++i) TRY(verify_disk(context, i), "disk {}", i);
  return {};
}

// The plan's workflow is another one now: the copy stays, its template goes.
Result<> Replication::forget_template(StepContext& context, DrCopy& copy) {
  const auto ledger = TRY(context.catalog.ledger());
  for (const LedgerEntry& entry : ledger) {
    if (entry.kind != ResourceKind::machine_template || entry.in_use_by != user_of(copy)) continue;
    copy.template_id = TemplateId();
    TRY(context.catalog.transaction([&]() -> Result<> {
      TRY(context.catalog.mark_used(entry.token, ""));
      return put_template(context.catalog, copy);
    }));
    TRY(sweep_job(context.catalog, sites_, context.clock, entry.job_id));
  }
  return {};
}

Result<> Replication::register_template(StepContext& context) {
  Job& job = context.job;
  if (is_aside(job)) return {};
  DrCopy copy = copy_of(job);
  if (job.data.value("workflow", DrWorkflow::snapshots) != DrWorkflow::ami) {
    if (!copy.template_id.empty()) TRY(forget_template(context, copy));
    job.data["copy"] = copy;
    return {};
  }
  if (!copy.template_id.empty() || !copy.converted) return {};
  RecoveryTarget* site = TRY(target(job));
  const std::string token = template_token(job);
  const TemplateSpec spec = template_of(copy, copy.disks.at(0).image_id, token, tags_of(job, copy, token));
  copy.template_id = TRY(make_resource(context, entry_of(copy, ResourceKind::machine_template, token),
                                       [&] { return site->register_template(spec); }));
  job.data["copy"] = copy;
  if (!up_to_date(job)) return {};
  return context.catalog.transaction([&]() -> Result<> {
    TRY(context.catalog.mark_used(token, user_of(copy)));
    return put_template(context.catalog, copy);
  });
}

// What is listed under the copy's id is of an earlier attempt that took effect, and may have been verified
// since: it stays as it is. What job.data says of an attempt that did not is written again.
Result<> Replication::switch_copy(StepContext& context) {
  Job& job = context.job;
  if (up_to_date(job)) return {};
  return context.catalog.transaction([&]() -> Result<> {
    const auto old_copy = is_aside(job) ? std::nullopt : old_copy_of(job);
    DrCopy copy = copy_of(job);
    const auto listed = context.catalog.get<DrCopy>(copy.id);
    if (listed.ok()) return {};
    if (listed.error().code() != ErrorCode::not_found) return listed.error();
    copy.damaged = TRY(inherited_damage(context.catalog, job));
    if (old_copy) TRY(retire_copies(context, *old_copy));
    copy.state = is_aside(job) ? DrCopyState::aside : DrCopyState::current;
    for (std::size_t i = 0; i < copy.disks.size(); ++i)
      TRY(context.catalog.mark_used(image_token(job, i), user_of(copy)));
    if (!copy.template_id.empty()) TRY(context.catalog.mark_used(template_token(job), user_of(copy)));
    job.data["copy"] = copy;
    TRY(context.catalog.put(copy));
    return context.catalog.save_job(job);
  });
}

}  // namespace

JobProcedure replicate_procedure(Sites& sites, Vaults& vaults) {
  auto replication = std::make_shared<Replication>(sites, vaults);
  JobProcedure procedure;
  procedure.kind = JobKind::replicate;
  procedure.steps = {
      {"choose", "control plane", "choosing the recovery point",
       method_of(replication, &Replication::choose)},
      {"convert", "AWS proxy", "converting the boot disk", method_of(replication, &Replication::convert)},
      {"start_images", "AWS proxy", "starting the images",
       method_of(replication, &Replication::start_images)},
      {"write", "AWS proxy", "writing differing blocks", method_of(replication, &Replication::write)},
      {"verify", "AWS proxy", "reading back and comparing", method_of(replication, &Replication::verify)},
      {"register", "AWS proxy", "registering the machine",
       method_of(replication, &Replication::register_template)},
      {"switch", "control plane", "switching to the new DR copy",
       method_of(replication, &Replication::switch_copy)},
      {"remove_old", "AWS proxy", "removing the old DR copy",
       [&sites](StepContext& context) { return remove_retired(context, sites); }, true},
  };
  procedure.clean_up = [&sites](StepContext& context) {
    return sweep_job(context.catalog, sites, context.clock, context.job.id);
  };
  return procedure;
}

}  // namespace rekindle
