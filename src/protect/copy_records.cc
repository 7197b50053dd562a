#include "protect/copy_records.h"

#include "base/log.h"
#include "jobs/settling.h"
#include "model/copy_encryption.h"
#include "model/json.h"

namespace rekindle {

Tags tags_of(const Job& job, const DrCopy& copy, const std::string& token) {
  return {{token_tag, token},
          {"rekindle:job", job.id.str()},
          {"rekindle:plan", copy.plan},
          {"rekindle:machine", copy.machine},
          {"rekindle:recovery-point", copy.recovery_point_id.str()}};
}

LedgerEntry entry_of(const DrCopy& copy, ResourceKind kind, const std::string& token) {
  LedgerEntry entry;
  entry.token = token;
  entry.kind = kind;
  entry.site = copy.account;
  return entry;
}

Result<RecoveryPoint> chosen_point(Catalog& catalog, const std::string& machine, const std::string& wanted) {
  auto points = TRY(catalog.list<RecoveryPoint>(machine));
  if (!wanted.empty()) {
    for (const RecoveryPoint& point : points) {
      if (point.id.str() == wanted) return point;
    }
    return error(ErrorCode::not_found, "{} has no recovery point {}; list them with 'rekindle backup list'",
                 machine, wanted);
  }
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

DrCopy copy_to_make(const Job& job, const RecoveryPoint& point, const DrPlan& plan) {
  DrCopy copy;
  copy.id = id_by_job("copy", job.id);
  copy.job_id = job.id;
  copy.account = text(job.data, "account");
  copy.plan = text(job.parameters, "plan");
  copy.machine = text(job.parameters, "machine");
  copy.recovery_point_id = point.id;
  copy.recovery_point_time = point.time;
  copy.firmware = point.machine.firmware;
  copy.vcpus = point.machine.vcpus;
  copy.memory_mib = point.machine.memory_mib;
  const ImageEncryption encryption = encryption_of(plan);
  copy.encrypted = encryption.encrypted;
  copy.kms_key = encryption.kms_key;
  for (const RecoveryPointDisk& disk : point.disks)
    copy.disks.push_back({disk.disk_id, ImageId(), disk.size_bytes});
  return copy;
}

std::string token_of(const Job& job, std::string_view what, std::size_t disk) {
  return fmt::format("rekindle-{}-{}-{}", job.id, what, disk);
}

std::string template_token(const Job& job) {
  return fmt::format("rekindle-{}-template", job.id);
}

DrCopy copy_of(const Job& job) {
  return job.data.at("copy").get<DrCopy>();
}

std::optional<DrCopy> old_copy_of(const Job& job) {
  if (!job.data.contains("old_copy")) return std::nullopt;
  return job.data.at("old_copy").get<DrCopy>();
}

namespace {

std::set<DiskId> begun_anew(const Job& job) {
  return job.data.value("anew", std::set<DiskId>());
}

}  // namespace

// Another request than the one that the site refused: a token stands for one.
std::string image_token(const Job& job, std::size_t disk) {
  return token_of(job, begun_anew(job).contains(copy_of(job).disks.at(disk).disk_id) ? "whole" : "disk",
                  disk);
}

std::optional<DrCopy> base_copy_of(const Job& job) {
  auto base = old_copy_of(job);
  const auto anew = begun_anew(job);
  if (!base || base->disks.empty() || anew.empty()) return base;
  // The overlay is of the first disk.
  if (anew.contains(base->disks.front().disk_id)) base->overlay.clear();
  std::erase_if(base->disks, [&](const DrCopyDisk& disk) { return anew.contains(disk.disk_id); });
  return base;
}

void begin_anew(Job& job, const DiskId& disk) {
  auto anew = begun_anew(job);
  anew.insert(disk);
  job.data["anew"] = anew;
}

std::optional<ImageId> parent_of(const DrCopy& copy, std::size_t position,
                                 const std::optional<DrCopy>& base) {
  if (!base) return std::nullopt;
  const DrCopyDisk& disk = copy.disks.at(position);
  for (std::size_t i = 0; i < base->disks.size(); ++i) {
    const DrCopyDisk& old_disk = base->disks[i];
    if (old_disk.disk_id != disk.disk_id || old_disk.size_bytes != disk.size_bytes) continue;
    // What was the boot disk and is not any more holds converted blocks that nobody would take out.
    const bool holds_overlay = i == 0 && !base->overlay.empty();
    return holds_overlay && position != 0 ? std::nullopt : std::optional(old_disk.image_id);
  }
  return std::nullopt;
}

void begin_parentless_anew(Job& job) {
  const DrCopy copy = copy_of(job);
  const auto base = base_copy_of(job);
  for (std::size_t i = 0; i < copy.disks.size(); ++i) {
    if (!parent_of(copy, i, base)) begin_anew(job, copy.disks[i].disk_id);
  }
}

ImageEncryption encryption_of(const DrPlan& plan) {
  return {encrypts_copies(plan), plan.copies_kms_key};
}

bool is_encrypted_as(const DrCopy& copy, const DrPlan& plan) {
  const ImageEncryption wanted = encryption_of(plan);
  return copy.encrypted == wanted.encrypted && copy.kms_key == wanted.kms_key;
}

Result<std::vector<JobId>> makers_of(Catalog& catalog, const DrCopy& copy) {
  std::set<JobId> others;
  const auto ledger = TRY(catalog.ledger());
  for (const LedgerEntry& entry : ledger) {
    if (entry.in_use_by == user_of(copy) && entry.job_id != copy.job_id) others.insert(entry.job_id);
  }
  std::vector<JobId> makers(others.begin(), others.end());
  makers.push_back(copy.job_id);  // last: templates go before their images
  return makers;
}

Result<> put_template(Catalog& catalog, const DrCopy& copy) {
  DrCopy listed = TRY(catalog.get<DrCopy>(copy.id));
  listed.template_id = copy.template_id;
  return catalog.put(listed);
}

Result<> drop_lost_template(Catalog& catalog, RecoveryTarget& site, Clock& clock, DrCopy& copy) {
  if (copy.template_id.empty()) return {};
  const auto ledger = TRY(catalog.ledger());
  for (const LedgerEntry& entry : ledger) {
    if (entry.kind != ResourceKind::machine_template || entry.in_use_by != user_of(copy)) continue;
    const auto found = TRY(site.find_templates({{token_tag, entry.token}}));
    if (!found.empty() || may_still_appear(entry, clock)) return {};
    log::warn("{}: the template {} of the present DR copy is gone", copy.machine, copy.template_id);
    copy.template_id = TemplateId();
    return catalog.transaction([&]() -> Result<> {
      TRY(catalog.mark_released(entry.token));
      return put_template(catalog, copy);
    });
  }
  return {};
}

Result<std::set<std::string>> wanted_copies(Catalog& catalog) {
  std::set<std::string> wanted;
  const auto jobs = TRY(catalog.unfinished_jobs());
  for (const Job& job : jobs) {
    if (job.kind != JobKind::plan_failover) continue;
    const auto copies = job.parameters.value("dr_copy_ids", nlohmann::json::object());
    for (const auto& [machine, id] : copies.items()) wanted.insert(id.get<std::string>());
  }
  return wanted;
}

Result<> forget_stale_copies(Catalog& catalog, const std::string& machine, Time now) {
  constexpr std::chrono::hours kept{24};
  const auto copies = TRY(catalog.list<DrCopy>(machine));
  const auto wanted = TRY(wanted_copies(catalog));
  for (const DrCopy& copy : copies) {
    const bool is_listed = copy.state == DrCopyState::current || copy.state == DrCopyState::kept;
    if (is_listed || wanted.contains(copy.id)) continue;
    const auto maker = catalog.job(copy.job_id);
    if (!maker.ok() && maker.error().code() != ErrorCode::not_found) return maker.error();
    const bool fresh = copy.state == DrCopyState::aside && maker.ok() && now - maker->created < kept;
    if (fresh || copy.state == DrCopyState::pending) continue;
    TRY(catalog.transaction([&]() -> Result<> {
      TRY(catalog.release_uses(user_of(copy)));
      return catalog.remove<DrCopy>(copy.id);
    }));
  }
  return {};
}

}  // namespace rekindle
