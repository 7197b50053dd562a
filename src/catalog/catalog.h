// The catalog: what users set up, what jobs did, and every resource we made. One SQLite file.
//
// What is true at any instant:
//  1. A call that returned success is durable; several calls inside transaction() are so together or not at
//  all.
//  2. At most one unfinished job per (subject, side); a job is saved only by the owner of its lease.
//  3. A resource is in the ledger before the call that makes it.
// Any thread may call; several processes may have the same file open.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "catalog/sqlite.h"
#include "model/dr_plan.h"
#include "model/job.h"
#include "model/ledger_entry.h"
#include "model/recovery_point.h"
#include "model/settings.h"

namespace rekindle {

// How a struct is kept as a record: kind, key, and the subject it can be listed by.
template <typename T>
struct RecordTraits;

#define REKINDLE_RECORD(Type, kind_word, key_expression, subject_expression) \
  template <>                                                                \
  struct RecordTraits<Type> {                                                \
    static constexpr std::string_view kind = kind_word;                      \
    static std::string key(const Type& record) {                             \
      return key_expression;                                                 \
    }                                                                        \
    static std::string subject(const Type& record) {                         \
      return subject_expression;                                             \
    }                                                                        \
  };

REKINDLE_RECORD(Datacenter, "datacenter", record.name, record.name)
REKINDLE_RECORD(Account, "account", record.name, record.name)
REKINDLE_RECORD(VaultSettings, "vault", record.name, record.name)
REKINDLE_RECORD(BackupPolicy, "policy", record.name, record.datacenter)
REKINDLE_RECORD(ProtectedMachine, "machine", record.name, record.datacenter)
REKINDLE_RECORD(DrPlan, "plan", record.name, record.account)
REKINDLE_RECORD(RecoveryPoint, "recovery_point", record.id.str(), record.machine.name)
REKINDLE_RECORD(DrCopy, "dr_copy", record.id, record.machine)
REKINDLE_RECORD(Failover, "failover", record.id, record.machine)
REKINDLE_RECORD(Approval, "approval", record.id, record.id)
#undef REKINDLE_RECORD

// Backups, of the machine or of its instance, are of the datacenter's side; replicate, failover, its cleanup
// and failback of the account's: one unfinished job each. plan_failover only starts others.
std::string_view side_of(JobKind kind);

class Catalog {
 public:
  static Result<std::unique_ptr<Catalog>> open(const std::filesystem::path& path, Clock& clock);

  // All calls that `work` makes to this catalog take effect together, if it succeeds. Nests.
  Result<> transaction(const std::function<Result<>()>& work);

  // Records. put() replaces. Lists are in the order of first put.
  template <typename T>
  Result<> put(const T& record);
  template <typename T>
  Result<T> get(const std::string& key);  // `not_found` names what exists
  template <typename T>
  Result<std::vector<T>> list(const std::string& subject = {});  // "": all
  template <typename T>
  Result<> remove(const std::string& key);  // `not_found` when absent

  // Jobs. create_job: `failed_precondition` when the subject has an unfinished job on that side (names it).
  Result<Job> create_job(JobKind kind, const std::string& subject, nlohmann::json parameters,
                         const std::string& first_step);
  Result<Job> job(const JobId& id);
  Result<std::vector<Job>> jobs();
  Result<std::vector<Job>> unfinished_jobs();
  Result<std::vector<Job>> jobs_of(const std::string& subject);  // oldest first
  // The newest of this kind whose parameter `key` ("vault", "plan") is `value`, of all there ever were; not
  // those for one failover, which have a parameter "point".
  Result<std::optional<Job>> last_job(const std::string& subject, JobKind kind, const std::string& key,
                                      const std::string& value);
  // Takes the lease: raises the fencing number. `unavailable` while the present owner lives.
  Result<Job> claim_job(const JobId& id, const std::string& owner);
  // A lease is a process's; a hold is one thread's of it. `unavailable` while another one has it. Given back
  // when the last copy goes, before the catalog does.
  Result<std::shared_ptr<void>> hold_job(const JobId& id);
  // `failed_precondition` when the lease was lost (job.fencing is old). Sets job.updated.
  Result<> save_job(Job& job);
  // Of the step in work; seen by job(), without a new body.
  Result<> report_progress(const JobId& id, std::uint64_t bytes_done, std::uint64_t bytes_total);
  Result<> request_cancel(const JobId& id);  // `failed_precondition` when it is over

  // Ledger. intend: true if nothing is known that was made, or may have been made, under this token. The
  // others: `not_found` for an unknown token.
  Result<bool> intend(LedgerEntry entry);
  Result<> mark_exists(const std::string& token, const std::string& object_id);
  Result<> mark_used(const std::string& token, const std::string& in_use_by);
  Result<> mark_released(const std::string& token);
  // Whatever `in_use_by` used is used by nobody from here on: the next sweep removes it.
  Result<> release_uses(const std::string& in_use_by);
  Result<LedgerEntry> ledger_entry(const std::string& token);
  Result<std::vector<LedgerEntry>> ledger(bool with_released = false);

 private:
  Catalog(SqliteDatabase database, Clock& clock) : database_(std::move(database)), clock_(clock) {}
  Result<> put_record(std::string_view kind, const std::string& key, const std::string& subject,
                      const std::string& body);
  Result<std::string> get_record(std::string_view kind, const std::string& key);
  Result<std::vector<std::string>> list_records(std::string_view kind, const std::string& subject);
  Result<> remove_record(std::string_view kind, const std::string& key);
  Result<> change_entry(const std::string& token, const std::function<void(LedgerEntry&)>& change);
  Result<> write_entry(const LedgerEntry& entry);

  SqliteDatabase database_;
  Clock& clock_;
  std::recursive_mutex mutex_;
  int depth_ = 0;
  std::set<JobId> held_;  // by threads of this process
};

// The owner that this process signs leases with: machine, boot, pid and start time of the process.
std::string process_owner();
// Whether that process still lives. Processes of other machines count as living.
bool owner_lives(const std::string& owner);

}  // namespace rekindle

#include "catalog/catalog_records.h"  // IWYU pragma: export
