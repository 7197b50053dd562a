#include "jobs/sweep.h"

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/log.h"
#include "jobs/settling.h"
#include "model/json.h"

namespace rekindle {

int removal_order(ResourceKind kind) {
  switch (kind) {
    case ResourceKind::instance:
      return 0;
    case ResourceKind::volume:
      return 1;
    case ResourceKind::machine_template:
      return 2;
    case ResourceKind::image:
      return 3;
    case ResourceKind::machine_snapshot:
    case ResourceKind::instance_snapshot:
      return 4;
    case ResourceKind::restored_machine:
      return 5;
  }
  return 6;
}

namespace {

// Whether the site knew it at all.
Result<bool> terminate_until_gone(RecoveryTarget& site, Clock& clock, const InstanceId& id) {
  TRY(site.terminate(id));
  bool seen = false;
  for (int poll = 0; poll < 600; ++poll) {
    const auto instance = site.instance(id);
    if (!instance.ok() && instance.error().code() == ErrorCode::not_found) return seen;
    if (!instance.ok()) return instance.error();
    seen = true;
    if (instance->state == InstanceState::terminated) return true;
    clock.sleep(std::chrono::milliseconds(poll < 10 ? 100 : 1000));
  }
  return error(ErrorCode::unavailable, "the instance {} does not terminate", id);
}

}  // namespace

Result<> terminate_and_wait(RecoveryTarget& site, Clock& clock, const InstanceId& id) {
  TRY(terminate_until_gone(site, clock, id));
  return {};
}

namespace {

// Removing tells how many there were; of those only intended, none may be found.
using Removed = Result<std::size_t>;

Removed remove_machine_snapshot(SnapshotSource& site, const LedgerEntry& entry) {
  const MachineId machine(entry.container);
  auto names = site.snapshots(machine);
  if (!names.ok() && names.error().code() == ErrorCode::not_found) return 1;  // gone with its machine
  if (!names.ok()) return names.error();
  std::size_t found = 0;
  for (const SnapshotName& snapshot : *names) {
    if (snapshot.name != entry.token) continue;
    TRY(site.remove_snapshot(machine, snapshot.id));
    ++found;
  }
  return found;
}

// What may have been made a moment ago may not be listed yet: looks again before it believes that there is
// nothing.
template <typename Find>
auto find_patiently(Clock& clock, Find&& find) -> decltype(find()) {
  auto found = find();
  for (int look = 0; look < 2 && found.ok() && found->empty(); ++look) {
    clock.sleep(std::chrono::milliseconds(700));
    found = find();
  }
  return found;
}

// Of a thing whose id is known. Removing it is fine where it is absent: of what was made a moment ago only
// `is_there` tells whether it was.
template <typename IsThere>
Removed remove_known(RecoveryTarget& site, Clock& clock, const LedgerEntry& entry, IsThere&& is_there) {
  const bool seen = !may_still_appear(entry, clock) || TRY(is_there());
  TRY(site.remove_object({entry.kind, entry.object_id, entry.token, {}}));
  return seen ? 1 : 0;
}

Result<bool> image_is_there(RecoveryTarget& site, const LedgerEntry& entry) {
  const auto image = site.image(ImageId(entry.object_id));
  if (!image.ok() && image.error().code() != ErrorCode::not_found) return image.error();
  return image.ok();
}

Removed remove_images(RecoveryTarget& site, Clock& clock, const LedgerEntry& entry) {
  if (!entry.object_id.empty())
    return remove_known(site, clock, entry, [&] { return image_is_there(site, entry); });
  const auto images =
      TRY(find_patiently(clock, [&] { return site.find_images({{token_tag, entry.token}}); }));
  for (const Image& image : images) TRY(site.remove_image(image.id));
  return images.size();
}

Removed remove_templates(RecoveryTarget& site, Clock& clock, const LedgerEntry& entry) {
  const auto find = [&] { return site.find_templates({{token_tag, entry.token}}); };
  if (!entry.object_id.empty()) {
    return remove_known(site, clock, entry, [&]() -> Result<bool> { return !TRY(find()).empty(); });
  }
  const auto templates = TRY(find_patiently(clock, find));
  for (const TemplateId& id : templates) TRY(site.remove_template(id));
  return templates.size();
}

Removed remove_instances(RecoveryTarget& site, Clock& clock, const LedgerEntry& entry) {
  if (!entry.object_id.empty()) {
    const bool seen = TRY(terminate_until_gone(site, clock, InstanceId(entry.object_id)));
    return seen || !may_still_appear(entry, clock) ? 1 : 0;
  }
  const auto instances =
      TRY(find_patiently(clock, [&] { return site.find_instances({{token_tag, entry.token}}); }));
  for (const Instance& instance : instances) TRY(terminate_and_wait(site, clock, instance.id));
  return instances.size();
}

Removed remove_volumes(RecoveryTarget& site, Clock& clock, const LedgerEntry& entry) {
  const auto of_entry = [&]() -> Result<std::vector<OwnedObject>> {
    auto objects = TRY(site.owned_objects());
    std::erase_if(objects, [&](const OwnedObject& object) {
      return object.kind != ResourceKind::volume || object.token != entry.token;
    });
    return objects;
  };
  if (!entry.object_id.empty()) {
    return remove_known(site, clock, entry, [&]() -> Result<bool> { return !TRY(of_entry()).empty(); });
  }
  const auto volumes = TRY(find_patiently(clock, of_entry));
  for (const OwnedObject& volume : volumes) TRY(site.remove_object(volume));
  return volumes.size();
}

Removed remove_instance_snapshot(SnapshotSource& site, Clock& clock, const LedgerEntry& entry) {
  const MachineId instance(entry.container);
  const auto found = TRY(find_patiently(clock, [&]() -> Result<std::vector<SnapshotName>> {
    auto names = TRY(site.snapshots(instance));
    std::erase_if(names, [&](const SnapshotName& snapshot) { return snapshot.name != entry.token; });
    return names;
  }));
  for (const SnapshotName& snapshot : found) TRY(site.remove_snapshot(instance, snapshot.id));
  return found.size();
}

Removed remove_restored_machine(RestoreTarget& site, const LedgerEntry& entry) {
  if (!entry.object_id.empty()) {
    TRY(site.remove_machine(MachineId(entry.object_id)));
    return 1;
  }
  const auto found = TRY(site.find_machine(entry.token));
  if (!found) return 0;
  TRY(site.remove_machine(*found));
  return 1;
}

Removed remove_resource(Sites& sites, Clock& clock, const LedgerEntry& entry) {
  if (entry.kind == ResourceKind::machine_snapshot) {
    SnapshotSource* site = TRY(sites.datacenter(entry.site));
    return remove_machine_snapshot(*site, entry);
  }
  if (entry.kind == ResourceKind::instance_snapshot) {
    SnapshotSource* site = TRY(sites.instances_of(entry.site));
    return remove_instance_snapshot(*site, clock, entry);
  }
  if (entry.kind == ResourceKind::restored_machine) {
    RestoreTarget* site = TRY(sites.restore_target(entry.site));
    return remove_restored_machine(*site, entry);
  }
  RecoveryTarget* site = TRY(sites.account(entry.site));
  if (entry.kind == ResourceKind::instance) return remove_instances(*site, clock, entry);
  if (entry.kind == ResourceKind::machine_template) return remove_templates(*site, clock, entry);
  if (entry.kind == ResourceKind::volume) return remove_volumes(*site, clock, entry);
  return remove_images(*site, clock, entry);
}

// True if it is gone, and out of the ledger.
Result<bool> sweep_entry(Catalog& catalog, Sites& sites, Clock& clock, const LedgerEntry& entry) {
  const std::size_t found = TRY(remove_resource(sites, clock, entry));
  crash_point(fmt::format("sweep/{}/removed", word(entry.kind)));
  if (found == 0 && may_still_appear(entry, clock)) return false;
  TRY(catalog.mark_released(entry.token));
  return true;
}

Result<int> sweep(Catalog& catalog, Sites& sites, Clock& clock, std::vector<LedgerEntry> entries) {
  std::sort(entries.begin(), entries.end(), [](const LedgerEntry& a, const LedgerEntry& b) {
    return std::pair(removal_order(a.kind), a.token) < std::pair(removal_order(b.kind), b.token);
  });
  int removed = 0;
  Result<> first;
  for (const LedgerEntry& entry : entries) {
    Result<bool> result = sweep_entry(catalog, sites, clock, entry);
    if (result.ok()) {
      removed += *result ? 1 : 0;
    } else if (first.ok()) {
      first = std::move(result).error().context("removing the {} {}", word(entry.kind),
                                                entry.object_id.empty() ? entry.token : entry.object_id);
    }
  }
  if (!first.ok()) return first.error();
  return removed;
}

}  // namespace

Result<> sweep_job(Catalog& catalog, Sites& sites, Clock& clock, const JobId& job) {
  auto entries = TRY(catalog.ledger());
  std::erase_if(entries,
                [&](const LedgerEntry& entry) { return entry.job_id != job || !entry.in_use_by.empty(); });
  TRY(sweep(catalog, sites, clock, std::move(entries)));
  return {};
}

Result<int> sweep_finished_jobs(Catalog& catalog, Sites& sites, Clock& clock, const std::string& site) {
  std::vector<LedgerEntry> entries;
  std::vector<Job> unfinished;
  // Of one instant: between two reads another process may finish its job, and what it made would look
  // forgotten.
  TRY(catalog.transaction([&]() -> Result<> {
    entries = TRY(catalog.ledger());
    unfinished = TRY(catalog.unfinished_jobs());
    return {};
  }));
  std::erase_if(entries, [&](const LedgerEntry& entry) {
    const bool working = std::any_of(unfinished.begin(), unfinished.end(),
                                     [&](const Job& job) { return job.id == entry.job_id; });
    return working || !entry.in_use_by.empty() || (!site.empty() && entry.site != site);
  });
  auto swept = sweep(catalog, sites, clock, std::move(entries));
  if (!swept.ok()) {
    log::warn("something earlier jobs made could not be removed yet: {}", swept.error().message());
    return 0;
  }
  return swept;
}

}  // namespace rekindle
