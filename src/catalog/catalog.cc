#include "catalog/catalog.h"

namespace rekindle {

namespace {

// Bodies are JSON; columns beside them exist only where a query or a condition needs them.
constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS records (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, key TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (kind, key));
CREATE INDEX IF NOT EXISTS records_by_subject ON records (kind, subject);
CREATE TABLE IF NOT EXISTS jobs (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, side TEXT NOT NULL, subject TEXT NOT NULL, over INTEGER NOT NULL,
  owner TEXT NOT NULL, fencing INTEGER NOT NULL, cancel_requested INTEGER NOT NULL DEFAULT 0,
  bytes_done INTEGER NOT NULL DEFAULT 0, bytes_total INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_by_subject ON jobs (subject);
CREATE INDEX IF NOT EXISTS jobs_by_kind ON jobs (subject, json_extract(body, '$.kind'));
CREATE UNIQUE INDEX IF NOT EXISTS one_unfinished_job ON jobs (side, subject) WHERE over = 0;
CREATE TABLE IF NOT EXISTS ledger (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  token TEXT NOT NULL UNIQUE, released INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ledger_live ON ledger (released);
)";
constexpr std::int64_t schema_version = 3;

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(const std::filesystem::path& path, Clock& clock) {
  auto database = TRY(SqliteDatabase::open(path));
  std::int64_t version = 0;
  {
    auto statement = TRY(database.prepare("PRAGMA user_version"));
    if (TRY(statement.step())) version = statement.number(0);
  }
  if (version > schema_version) {
    return error(ErrorCode::failed_precondition,
                 "{} was written by a newer Rekindle (schema {}, this one knows {}); update Rekindle",
                 path.string(), version, schema_version);
  }
  if (version < schema_version) {
    TRY(database.execute(
            fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version = {}; COMMIT;", schema, schema_version)),
        "preparing {}", path.string());
  }
  return std::unique_ptr<Catalog>(new Catalog(std::move(database), clock));
}

Result<> Catalog::transaction(const std::function<Result<>()>& work) {
  const std::lock_guard lock(mutex_);
  if (depth_ > 0) return work();
  TRY(database_.execute("BEGIN IMMEDIATE"));
  ++depth_;
  Result<> result = work();
  --depth_;
  if (result.ok()) result = database_.execute("COMMIT");
  if (!result.ok()) {
    // SQLite may have rolled back by itself (full disk): the first error is the one to tell.
    const Result<> undone = database_.execute("ROLLBACK");
    static_cast<void>(undone.ok());
  }
  return result;
}

Result<> Catalog::put_record(std::string_view kind, const std::string& key, const std::string& subject,
                             const std::string& body) {
  const std::lock_guard lock(mutex_);
  auto statement =
      TRY(database_.prepare("INSERT INTO records (kind, key, subject, body) VALUES (?1, ?2, ?3, ?4) "
                            "ON CONFLICT (kind, key) DO UPDATE SET subject = ?3, body = ?4"));
  return statement.bind(1, kind).bind(2, key).bind(3, subject).bind(4, body).run();
}

Result<std::string> Catalog::get_record(std::string_view kind, const std::string& key) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare("SELECT body FROM records WHERE kind = ?1 AND key = ?2"));
  statement.bind(1, kind).bind(2, key);
  if (TRY(statement.step())) return statement.text(0);

  auto known = TRY(database_.prepare("SELECT key FROM records WHERE kind = ?1 ORDER BY sequence LIMIT 10"));
  known.bind(1, kind);
  std::string names;
  while (TRY(known.step())) names += (names.empty() ? "" : ", ") + known.text(0);
  return error(ErrorCode::not_found, "there is no {} '{}'; known: {}", kind, key,
               names.empty() ? "none" : names);
}

Result<std::vector<std::string>> Catalog::list_records(std::string_view kind, const std::string& subject) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare(
      "SELECT body FROM records WHERE kind = ?1 AND (?2 = '' OR subject = ?2) ORDER BY sequence"));
  statement.bind(1, kind).bind(2, subject);
  std::vector<std::string> bodies;
  while (TRY(statement.step())) bodies.push_back(statement.text(0));
  return bodies;
}

Result<> Catalog::remove_record(std::string_view kind, const std::string& key) {
  const std::lock_guard lock(mutex_);
  TRY(get_record(kind, key));
  auto statement = TRY(database_.prepare("DELETE FROM records WHERE kind = ?1 AND key = ?2"));
  return statement.bind(1, kind).bind(2, key).run();
}

}  // namespace rekindle
