#include "recover/left_running.h"

#include <fmt/format.h>

#include <map>

#include "base/log.h"
#include "model/json.h"

namespace rekindle {

namespace {

constexpr auto key = "left_running";
constexpr std::chrono::minutes look_again_after{5};
constexpr std::chrono::minutes until_forgotten{30};

// `not_found`: the datacenter was removed.
Result<> power_off(Sites& sites, const LeftRunning& left) {
  RestoreTarget* site = TRY(sites.restore_target(left.datacenter));
  const Result<> off = site->power_off(left.machine_id);
  if (!off.ok() && off.error().code() == ErrorCode::not_found) return {};
  return off;
}

bool was_looked_for(const nlohmann::json& note, Time now) {
  return note.contains("looked_at") && now - note.at("looked_at").get<Time>() < look_again_after;
}

// The newest of each machine: one that was failed over again, or is on its way home, may be back there.
Result<std::vector<Failover>> newest_failovers(Catalog& catalog) {
  std::map<std::string, Failover> newest;
  const auto failovers = TRY(catalog.list<Failover>());
  for (const Failover& failover : failovers) {
    if (failover.kind == FailoverKind::production) newest.insert_or_assign(failover.machine, failover);
  }
  std::vector<Failover> all;
  for (auto& [machine, failover] : newest) all.push_back(std::move(failover));
  return all;
}

}  // namespace

void note_left_running(Job& job, const std::string& datacenter, const MachineId& id) {
  job.data[key] = {{"datacenter", datacenter}, {"machine_id", id}};
}

void note_none_left_running(Job& job) {
  job.data.erase(key);
}

std::string left_running(const Job& job) {
  if (!job.data.contains(key)) return {};
  const nlohmann::json& note = job.data.at(key);
  return fmt::format(
      "its VM of before, {} in {}, may run again when that datacenter comes back, with the same addresses: "
      "keep 'rekindle serve' running, which switches it off then, or see to it yourself",
      text(note, "machine_id"), text(note, "datacenter"));
}

Result<std::vector<LeftRunning>> machines_left_running(Catalog& catalog, Time now) {
  std::vector<LeftRunning> found;
  const auto failovers = TRY(newest_failovers(catalog));
  for (const Failover& failover : failovers) {
    if (runs_in_production(failover)) continue;
    const auto job = TRY(catalog.last_job(failover.machine, JobKind::failback, "failover_id", failover.id));
    if (!job || job->state != JobState::succeeded || !job->data.contains(key)) continue;
    const nlohmann::json& note = job->data.at(key);
    const LeftRunning left{job->id, failover.machine, text(note, "datacenter"),
                           MachineId(text(note, "machine_id"))};
    const auto lives = catalog.get<ProtectedMachine>(failover.machine);
    const bool is_it = lives.ok() && lives->datacenter == left.datacenter && lives->id == left.machine_id;
    if (!is_it && !was_looked_for(note, now)) found.push_back(left);
  }
  return found;
}

Result<> switch_off_left_running(Catalog& catalog, Sites& sites, const LeftRunning& left, Time now) {
  const Result<> off = power_off(sites, left);
  const bool is_removed = !off.ok() && off.error().code() == ErrorCode::not_found;
  Job job = TRY(catalog.job(left.job_id));
  if (!job.data.contains(key)) return {};
  nlohmann::json& note = job.data.at(key);
  note["looked_at"] = now;
  if (is_removed) {
    log::warn("{}: {}; Rekindle does not know that datacenter any more", left.machine, left_running(job));
    note_none_left_running(job);
  } else if (!off.ok()) {
    note.erase("off_since");
  } else if (!note.contains("off_since")) {
    note["off_since"] = now;
    log::info("{}: its VM of before, {} in {}, is off", left.machine, left.machine_id, left.datacenter);
  } else if (now - note.at("off_since").get<Time>() >= until_forgotten) {
    note_none_left_running(job);
  }
  TRY(catalog.save_job(job));
  if (off.ok() || is_removed) return {};
  return Error(off.error())
      .context("switching its VM of before off ({} in {})", left.machine_id, left.datacenter);
}

}  // namespace rekindle
