#include "catalog/sqlite.h"

#include <sqlite3.h>

#include <utility>

namespace rekindle {

namespace {

Error sqlite_error(sqlite3* database, int code) {
  const char* text = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return error(ErrorCode::unavailable, "the catalog is locked by another process ({})", text);
    case SQLITE_FULL:
      return error(ErrorCode::exhausted, "the disk of the catalog is full; free space and run again");
    case SQLITE_CONSTRAINT:
      return error(ErrorCode::already_exists, "the catalog holds it already ({})", text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return error(ErrorCode::corrupt, "the catalog is damaged ({}); restore it from its copy", text);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return error(ErrorCode::permission_denied, "the catalog cannot be written ({})", text);
    default:
      return error(ErrorCode::internal, "the catalog: {}", text);
  }
}

}  // namespace

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

SqliteStatement::~SqliteStatement() {
  sqlite3_finalize(statement_);
}

SqliteStatement& SqliteStatement::bind(int position, std::string_view text) {
  CHECK(sqlite3_bind_text64(statement_, position, text.data() != nullptr ? text.data() : "", text.size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK);
  return *this;
}

SqliteStatement& SqliteStatement::bind(int position, std::int64_t number) {
  CHECK(sqlite3_bind_int64(statement_, position, number) == SQLITE_OK);
  return *this;
}

Result<bool> SqliteStatement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return sqlite_error(database_, code);
}

Result<> SqliteStatement::run() {
  while (TRY(step())) {
  }
  return {};
}

std::string SqliteStatement::text(int column) const {
  const auto* raw = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return raw == nullptr
             ? std::string()
             : std::string(raw, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t SqliteStatement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

Result<SqliteDatabase> SqliteDatabase::open(const std::filesystem::path& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  SqliteDatabase database(raw);
  if (code != SQLITE_OK) return sqlite_error(raw, code).context("opening {}", path.string());
  sqlite3_busy_timeout(raw, 10000);
  TRY(database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"),
      "opening {}", path.string());
  return database;
}

SqliteDatabase::SqliteDatabase(SqliteDatabase&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

SqliteDatabase::~SqliteDatabase() {
  sqlite3_close_v2(database_);
}

Result<SqliteStatement> SqliteDatabase::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return sqlite_error(database_, code);
  return SqliteStatement(database_, statement);
}

Result<> SqliteDatabase::execute(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return sqlite_error(database_, code);
  return {};
}

std::int64_t SqliteDatabase::changes() const {
  return sqlite3_changes64(database_);
}

}  // namespace rekindle
