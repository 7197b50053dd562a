// SQLite with errors as values: just what the catalog needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace rekindle {

class SqliteDatabase;

// One prepared statement. Bind by position (from 1), then step() row by row.
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  SqliteStatement& bind(int position, std::string_view text);
  SqliteStatement& bind(int position, std::int64_t number);
  // True: a row is there to be read. False: done.
  Result<bool> step();
  // Steps to the end.
  Result<> run();
  std::string text(int column) const;
  std::int64_t number(int column) const;

 private:
  friend class SqliteDatabase;
  SqliteStatement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  sqlite3* database_;
  sqlite3_stmt* statement_;
};

// One connection; one thread at a time (the catalog holds a mutex).
class SqliteDatabase {
 public:
  // Made if absent. Write-ahead log, every commit durable, waits up to 10 s for another process's lock.
  static Result<SqliteDatabase> open(const std::filesystem::path& path);
  SqliteDatabase(SqliteDatabase&& other) noexcept;
  SqliteDatabase& operator=(SqliteDatabase&&) = delete;
  ~SqliteDatabase();

  Result<SqliteStatement> prepare(std::string_view sql);
  // One or more statements without parameters.
  Result<> execute(const std::string& sql);
  // Rows changed by the last statement.
  std::int64_t changes() const;

 private:
  explicit SqliteDatabase(sqlite3* database) : database_(database) {}
  sqlite3* database_;
};

}  // namespace rekindle
