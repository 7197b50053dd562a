#include "protect/retired_copies.h"

#include <algorithm>

#include "base/log.h"
#include "jobs/dr_copies.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "protect/copy_records.h"

namespace rekindle {

namespace {

// The copies of the plan and machine that are kept, newest recovery point first.
Result<std::vector<DrCopy>> kept_copies(Catalog& catalog, const DrCopy& of) {
  auto copies = TRY(catalog.list<DrCopy>(of.machine));
  std::erase_if(copies,
                [&](const DrCopy& copy) { return copy.state != DrCopyState::kept || copy.plan != of.plan; });
  std::stable_sort(copies.begin(), copies.end(), [](const DrCopy& a, const DrCopy& b) {
    return a.recovery_point_time > b.recovery_point_time;
  });
  return copies;
}

}  // namespace

Result<> retire_copies(StepContext& context, const DrCopy& old_copy) {
  DrCopy listed = TRY(context.catalog.get<DrCopy>(old_copy.id));
  const bool is_whole = listed.disks.size() == old_copy.disks.size();
  listed.state = is_whole ? DrCopyState::kept : DrCopyState::retired;
  TRY(context.catalog.put(listed));
  auto copies = TRY(kept_copies(context.catalog, listed));
  const auto keep = static_cast<std::ptrdiff_t>(std::max(0, context.job.data.value("keep_copies", 1) - 1));
  // Damaged ones go, however many are to be kept.
  const auto damaged = std::stable_partition(copies.begin(), copies.end(),
                                             [](const DrCopy& copy) { return copy.damaged.empty(); });
  copies.erase(copies.begin(), copies.begin() + std::min(damaged - copies.begin(), keep));
  const auto wanted = TRY(wanted_copies(context.catalog));
  std::erase_if(copies, [&](const DrCopy& copy) { return wanted.contains(copy.id); });
  if (!is_whole) copies.push_back(listed);
  nlohmann::json records = nlohmann::json::array();
  for (DrCopy& copy : copies) {
    records.push_back({{"id", copy.id}, {"makers", TRY(makers_of(context.catalog, copy))}});
    copy.state = DrCopyState::retired;
    TRY(context.catalog.put(copy));
    TRY(context.catalog.release_uses(user_of(copy)));
  }
  context.job.data["retired"] = std::move(records);
  return {};
}

Result<> remove_retired(StepContext& context, Sites& sites) {
  Job& job = context.job;
  const auto retired = job.data.value("retired", nlohmann::json::array());
  for (const auto& copy : retired) {
    const auto makers = copy.at("makers").get<std::vector<JobId>>();
    for (const JobId& maker : makers) {
      const Result<> swept = sweep_job(context.catalog, sites, context.clock, maker);
      if (swept.ok()) continue;
      log::warn("{}: not all could be removed yet: {}", job.id, swept.error().message());
      job.data["left_behind"] = swept.error().message();
    }
    const Result<> removed = context.catalog.remove<DrCopy>(copy.at("id").get<std::string>());
    if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed.error();
  }
  return {};
}

}  // namespace rekindle
