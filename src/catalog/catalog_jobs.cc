// Jobs: rows with a lease and a fencing number.
#include "base/random.h"
#include "catalog/catalog.h"

namespace rekindle {

namespace {

// The columns are the truth for lease, cancel and progress; the body carries the rest.
Result<Job> job_of(const SqliteStatement& row) {
  auto job = TRY(parse_json<Job>(row.text(0)));
  job.owner = row.text(1);
  job.fencing = static_cast<std::uint64_t>(row.number(2));
  job.cancel_requested = row.number(3) != 0;
  job.bytes_done = static_cast<std::uint64_t>(row.number(4));
  job.bytes_total = static_cast<std::uint64_t>(row.number(5));
  return job;
}

constexpr const char* columns = "body, owner, fencing, cancel_requested, bytes_done, bytes_total";

}  // namespace

std::string_view side_of(JobKind kind) {
  if (kind == JobKind::plan_failover) return "plan";
  // A failback is of the account's side, which it ends; the backups that it asks for are jobs of their own.
  return kind == JobKind::backup || kind == JobKind::instance_backup ? "datacenter" : "account";
}

Result<Job> Catalog::create_job(JobKind kind, const std::string& subject, nlohmann::json parameters,
                                const std::string& first_step) {
  Job job;
  job.id = JobId("job-" + SystemRandom().hex(6));
  job.kind = kind;
  job.subject = subject;
  job.step = first_step;
  job.parameters = std::move(parameters);
  job.created = clock_.now();
  job.updated = job.created;
  TRY(transaction([&]() -> Result<> {
    const std::vector<Job> unfinished = TRY(unfinished_jobs());
    for (const Job& other : unfinished) {
      if (other.subject == subject && side_of(other.kind) == side_of(kind)) {
        return error(ErrorCode::failed_precondition,
                     "{} {} of {} is not finished; follow it with 'rekindle job show {}'", word(other.kind),
                     other.id, subject, other.id);
      }
    }
    auto statement =
        TRY(database_.prepare("INSERT INTO jobs (id, side, subject, over, owner, fencing, body) VALUES (?1, "
                              "?2, ?3, 0, '', 0, ?4)"));
    return statement.bind(1, job.id.str())
        .bind(2, side_of(kind))
        .bind(3, subject)
        .bind(4, nlohmann::json(job).dump())
        .run();
  }));
  return job;
}

Result<Job> Catalog::job(const JobId& id) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare(fmt::format("SELECT {} FROM jobs WHERE id = ?1", columns)));
  statement.bind(1, id.str());
  if (!TRY(statement.step())) {
    return error(ErrorCode::not_found, "there is no job '{}'; list them with 'rekindle job list'", id);
  }
  return job_of(statement);
}

Result<std::vector<Job>> Catalog::jobs() {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare(fmt::format("SELECT {} FROM jobs ORDER BY sequence", columns)));
  std::vector<Job> found;
  while (TRY(statement.step())) found.push_back(TRY(job_of(statement)));
  return found;
}

Result<std::vector<Job>> Catalog::jobs_of(const std::string& subject) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(
      database_.prepare(fmt::format("SELECT {} FROM jobs WHERE subject = ?1 ORDER BY sequence", columns)));
  statement.bind(1, subject);
  std::vector<Job> found;
  while (TRY(statement.step())) found.push_back(TRY(job_of(statement)));
  return found;
}

Result<std::optional<Job>> Catalog::last_job(const std::string& subject, JobKind kind, const std::string& key,
                                             const std::string& value) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare(
      fmt::format("SELECT {} FROM jobs WHERE subject = ?1 AND json_extract(body, '$.kind') = ?2 "
                  "AND json_extract(body, '$.parameters.' || ?3) = ?4 "
                  "AND json_extract(body, '$.parameters.point') IS NULL ORDER BY sequence DESC LIMIT 1",
                  columns)));
  statement.bind(1, subject).bind(2, word(kind)).bind(3, key).bind(4, value);
  std::optional<Job> found;
  if (TRY(statement.step())) found = TRY(job_of(statement));
  return found;
}

Result<std::vector<Job>> Catalog::unfinished_jobs() {
  const std::lock_guard lock(mutex_);
  auto statement =
      TRY(database_.prepare(fmt::format("SELECT {} FROM jobs WHERE over = 0 ORDER BY sequence", columns)));
  std::vector<Job> found;
  while (TRY(statement.step())) found.push_back(TRY(job_of(statement)));
  return found;
}

Result<Job> Catalog::claim_job(const JobId& id, const std::string& owner) {
  Job claimed;
  TRY(transaction([&]() -> Result<> {
    claimed = TRY(job(id));
    if (claimed.owner != owner && owner_lives(claimed.owner)) {
      return error(ErrorCode::unavailable, "{} is being performed by another process ({})", id,
                   claimed.owner);
    }
    claimed.owner = owner;
    ++claimed.fencing;
    auto statement = TRY(database_.prepare("UPDATE jobs SET owner = ?2, fencing = ?3 WHERE id = ?1"));
    return statement.bind(1, id.str())
        .bind(2, owner)
        .bind(3, static_cast<std::int64_t>(claimed.fencing))
        .run();
  }));
  return claimed;
}

Result<std::shared_ptr<void>> Catalog::hold_job(const JobId& id) {
  const std::lock_guard lock(mutex_);
  if (!held_.insert(id).second)
    return error(ErrorCode::unavailable, "{} is being performed by this process already", id);
  return std::shared_ptr<void>(this, [this, id](void*) {
    const std::lock_guard held(mutex_);
    held_.erase(id);
  });
}

Result<> Catalog::save_job(Job& job) {
  const std::lock_guard lock(mutex_);
  job.updated = clock_.now();
  auto statement = TRY(
      database_.prepare("UPDATE jobs SET body = ?2, over = ?3, owner = ?5 WHERE id = ?1 AND fencing = ?4"));
  TRY(statement.bind(1, job.id.str())
          .bind(2, nlohmann::json(job).dump())
          .bind(3, static_cast<std::int64_t>(is_over(job.state)))
          .bind(4, static_cast<std::int64_t>(job.fencing))
          .bind(5, is_over(job.state) ? std::string() : job.owner)
          .run());
  if (database_.changes() != 1) {
    return error(ErrorCode::failed_precondition, "{} was taken over by another process", job.id);
  }
  return {};
}

Result<> Catalog::report_progress(const JobId& id, std::uint64_t bytes_done, std::uint64_t bytes_total) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare("UPDATE jobs SET bytes_done = ?2, bytes_total = ?3 WHERE id = ?1"));
  return statement.bind(1, id.str())
      .bind(2, static_cast<std::int64_t>(bytes_done))
      .bind(3, static_cast<std::int64_t>(bytes_total))
      .run();
}

Result<> Catalog::request_cancel(const JobId& id) {
  return transaction([&]() -> Result<> {
    const Job found = TRY(job(id));
    if (is_over(found.state))
      return error(ErrorCode::failed_precondition, "{} is over already: {}", id, word(found.state));
    auto statement = TRY(database_.prepare("UPDATE jobs SET cancel_requested = 1 WHERE id = ?1"));
    return statement.bind(1, id.str()).run();
  });
}

}  // namespace rekindle
