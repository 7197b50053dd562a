// What keeps a vault sound and small: check, repair, collect; and removing recovery points.
#include <unistd.h>

#include <algorithm>
#include <map>

#include "cli/commands.h"
#include "cli/progress_line.h"
#include "cli/recovery_points.h"
#include "jobs/job_runner.h"

namespace rekindle {

namespace {

// Bytes of bytes, as jobs show it.
class CareProgress {
 public:
  CareProgress(Session& session, Clock& clock, std::string purpose)
      : quiet_(session.output.json || ::isatty(STDERR_FILENO) == 0),
        clock_(clock),
        purpose_(std::move(purpose)),
        started_(clock.ticks()) {}
  ~CareProgress() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
  }
  std::function<void(std::uint64_t, std::uint64_t)> teller() {
    return [this](std::uint64_t done, std::uint64_t all) { tell(done, all); };
  }

 private:
  void tell(std::uint64_t done, std::uint64_t all) {
    const std::lock_guard lock(mutex_);
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.ticks() - started_);
    if (quiet_ || elapsed < last_ + std::chrono::milliseconds(250)) return;
    last_ = elapsed;
    drawn_ = true;
    fmt::print(stderr, "\r\033[K{}", progress_text(purpose_, done, all, elapsed));
    std::fflush(stderr);
  }

  const bool quiet_;
  Clock& clock_;
  const std::string purpose_;
  const std::chrono::nanoseconds started_;
  std::mutex mutex_;
  std::chrono::milliseconds last_{};
  bool drawn_ = false;
};

const std::map<std::string, CheckLevel> levels{
    {"structure", CheckLevel::structure}, {"sampled", CheckLevel::sampled}, {"data", CheckLevel::data}};

nlohmann::json shown(const CheckProblem& problem) {
  std::vector<nlohmann::json> lost;
  for (const LostRange& range : problem.lost) {
    std::vector<nlohmann::json> bytes;
    for (const Extent& extent : range.bytes)
      bytes.push_back({{"offset", extent.offset}, {"length", extent.length}});
    lost.push_back({{"machine", range.machine},
                    {"recovery_point_id", range.point},
                    {"disk", range.disk},
                    {"bytes", bytes}});
  }
  return {{"what", problem.what}, {"points", problem.points}, {"lost", lost}};
}

void say(const Output& output, const CheckProblem& problem) {
  constexpr std::size_t shown_ranges = 4;  // all of them are in the JSON
  output.say(problem.what);
  if (problem.points.empty()) output.say("  no recovery point needs what is damaged");
  if (!problem.points.empty())
    output.say(fmt::format("  recovery points that need it: {}", fmt::join(problem.points, ", ")));
  for (const LostRange& range : problem.lost) {
    std::string bytes;
    for (std::size_t i = 0; i < std::min(shown_ranges, range.bytes.size()); ++i) {
      bytes += fmt::format("{}{} to {}", i == 0 ? "" : ", ", range.bytes[i].offset, range.bytes[i].end());
    }
    if (range.bytes.size() > shown_ranges)
      bytes += fmt::format(", and {} more", range.bytes.size() - shown_ranges);
    output.say(fmt::format("  lost of machine {} in {}: disk {}, {} (bytes {})", range.machine, range.point,
                           range.disk, human_bytes(total_length(range.bytes)), bytes));
  }
}

std::vector<nlohmann::json> tell(const Output& output, const std::vector<CheckProblem>& problems) {
  std::vector<nlohmann::json> records;
  for (const CheckProblem& problem : problems) {
    say(output, problem);
    records.push_back(shown(problem));
  }
  return records;
}

struct CheckInput {
  std::string name;
  std::string level = "structure";
  bool data = false;
  CheckOptions options;
};

Result<> check(Session& session, Workplace& workplace, CheckInput input) {
  Vault* vault = TRY(workplace.vaults().vault(input.name));
  input.options.level = input.data ? CheckLevel::data : levels.at(input.level);
  input.options.seed = static_cast<std::uint64_t>(workplace.clock().now().time_since_epoch().count());
  CareProgress progress(session, workplace.clock(), "checking the vault");
  input.options.progress = progress.teller();
  const CheckReport report = TRY(vault->check(input.options, session.interrupted));
  const auto problems = tell(session.output, report.problems);
  if (session.output.json) {
    session.output.record({{"points", report.points},
                           {"bytes_read", report.bytes_read},
                           {"quarantined", report.quarantined},
                           {"problems", problems}});
  }
  if (!report.clean()) {
    return error(ErrorCode::corrupt,
                 "the vault {} is damaged: {} of its objects, listed above; restore these from a copy of the "
                 "vault, or run 'vault repair {}' and then full backups of the machines",
                 input.name, report.problems.size(), input.name);
  }
  session.output.say(fmt::format("The vault {} is whole: {} recovery points.", input.name, report.points));
  return {};
}

struct RepairInput {
  std::string name;
  RepairOptions options;
};

Result<> repair(Session& session, Workplace& workplace, RepairInput input) {
  Vault* vault = TRY(workplace.vaults().vault(input.name));
  CareProgress progress(session, workplace.clock(), "checking the vault");
  input.options.progress = progress.teller();
  const RepairReport report = TRY(vault->repair(input.options, session.interrupted));
  const auto lost = tell(session.output, report.lost);
  if (session.output.json) {
    session.output.record({{"packs_quarantined", report.packs_quarantined},
                           {"segments_removed", report.segments_removed},
                           {"entries_indexed", report.entries_indexed},
                           {"points_removed", report.points_removed},
                           {"lost", lost}});
  }
  session.output.say(
      fmt::format("Repaired the vault {}: {} damaged packs are set aside, {} damaged parts of the index "
                  "removed, {} entries of it "
                  "made again.",
                  input.name, report.packs_quarantined, report.segments_removed, report.entries_indexed));
  if (report.lost.empty()) return {};
  return error(
      ErrorCode::corrupt,
      "what is listed above stays lost until a full backup ('backup run --full') stores the same content "
      "again: run it now for these machines");
}

struct CollectInput {
  std::string name;
  std::uint64_t grace_days = 14;
  CollectOptions options;
};

Result<> collect(Session& session, Workplace& workplace, CollectInput input) {
  Vault* vault = TRY(workplace.vaults().vault(input.name));
  input.options.grace = std::chrono::days(input.grace_days);
  const CollectReport report = TRY(vault->collect(input.options, session.interrupted));
  if (session.output.json) {
    session.output.record({{"points", report.points},
                           {"bytes_stored", report.bytes_stored},
                           {"bytes_live", report.bytes_live},
                           {"packs_doomed", report.packs_doomed},
                           {"bytes_doomed", report.bytes_doomed},
                           {"packs_deleted", report.packs_deleted},
                           {"bytes_deleted", report.bytes_deleted},
                           {"objects_locked", report.objects_locked},
                           {"packs_compacted", report.packs_compacted},
                           {"bytes_copied", report.bytes_copied},
                           {"segments_merged", report.segments_merged},
                           {"segments_deleted", report.segments_deleted},
                           {"dry_run", input.options.dry_run}});
  }
  session.output.say(
      fmt::format("{} of {} in the vault {} are needed by {} recovery points. {}: {} in {} packs. Waiting "
                  "for the grace period of {} "
                  "days: {}.",
                  human_bytes(report.bytes_live), human_bytes(report.bytes_stored), input.name, report.points,
                  input.options.dry_run ? "Would be freed now" : "Freed", human_bytes(report.bytes_deleted),
                  report.packs_deleted, input.grace_days, human_bytes(report.bytes_doomed)));
  return {};
}

// A machine keeps at least its newest point, unless that is said twice.
Result<> refuse_newest(Catalog& catalog, const RecoveryPoint& point) {
  const auto points = TRY(catalog.list<RecoveryPoint>());
  for (const RecoveryPoint& other : points) {
    if (other.machine.id == point.machine.id && other.vault == point.vault && other.time > point.time)
      return {};
  }
  return error(
      ErrorCode::failed_precondition,
      "{} is the newest recovery point of {} in the vault {}: back the machine up first, or say --force",
      point.id, point.machine.name, point.vault);
}

Result<> remove_point(Session& session, Workplace& workplace, const std::string& id, bool force) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto point = TRY(catalog->get<RecoveryPoint>(id));
  if (!force) TRY(refuse_newest(*catalog, point));
  TRY(remove_recovery_point(workplace, point));
  session.output.say(
      fmt::format("Removed {} of {}. Its space is freed by 'vault collect {}' after the grace period.",
                  point.id, point.machine.name, point.vault));
  return {};
}

}  // namespace

void add_vault_care_verbs(CLI::App& noun, Session& session) {
  auto checking = std::make_shared<CheckInput>();
  CLI::App* verb =
      add_verb(noun, "check", "Look for damage", session,
               [&session, checking](Workplace& workplace) { return check(session, workplace, *checking); });
  verb->add_option("name", checking->name, "Its name")->required();
  verb->add_option("--level", checking->level,
                   "structure: everything but the data; sampled: some of the data too; data: every byte")
      ->check(CLI::IsMember({"structure", "sampled", "data"}));
  verb->add_option("--sample-percent", checking->options.sample_percent,
                   "How much of the data, with --level sampled")
      ->check(CLI::Range(1, 100));
  verb->add_flag("--data", checking->data, "The same as --level data");

  auto repairing = std::make_shared<RepairInput>();
  verb = add_verb(
      noun, "repair", "Make the best of damage: renew the index, set damaged packs aside", session,
      [&session, repairing](Workplace& workplace) { return repair(session, workplace, *repairing); });
  verb->add_option("name", repairing->name, "Its name")->required();
  verb->add_flag("--remove-unreadable-points", repairing->options.remove_unreadable_points,
                 "Also remove recovery points that cannot be opened at all");

  auto collecting = std::make_shared<CollectInput>();
  verb = add_verb(
      noun, "collect", "Free what no recovery point needs any more", session,
      [&session, collecting](Workplace& workplace) { return collect(session, workplace, *collecting); });
  verb->add_option("name", collecting->name, "Its name")->required();
  verb->add_option("--grace", collecting->grace_days,
                   "Days that garbage waits before it is deleted; more than the longest backup takes");
  verb->add_flag("--dry-run", collecting->options.dry_run, "Tell what would be freed, and do nothing");
}

void add_backup_remove(CLI::App& noun, Session& session) {
  auto id = std::make_shared<std::string>();
  auto force = std::make_shared<bool>(false);
  CLI::App* verb = add_verb(
      noun, "remove", "Remove a recovery point", session,
      [&session, id, force](Workplace& workplace) { return remove_point(session, workplace, *id, *force); });
  verb->add_option("id", *id, "The recovery point")->required();
  verb->add_flag("--force", *force, "Even the newest of its machine");
}

}  // namespace rekindle
