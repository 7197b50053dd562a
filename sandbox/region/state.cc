#include "sandbox/region/state.h"

#include <sqlite3.h>

#include "base/random.h"

namespace rekindle::sandbox {

namespace {

struct Finalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalizer>;

Error database_error(sqlite3* database, std::string_view what) {
  return error(ErrorCode::unavailable, "{}: {}", what, sqlite3_errmsg(database));
}

Result<Statement> prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return database_error(database, "preparing a statement");
  }
  return Statement(statement);
}

void bind(const Statement& statement, int position, const std::string& text) {
  sqlite3_bind_text(statement.get(), position, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

std::string column(const Statement& statement, int position) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), position));
  return text == nullptr ? "" : text;
}

constexpr const char* secret_kind = "secret";

}  // namespace

State::~State() {
  sqlite3_close(database_);
}

Result<std::unique_ptr<State>> State::open(const std::filesystem::path& file) {
  sqlite3* database = nullptr;
  const int opened = sqlite3_open(file.c_str(), &database);
  std::unique_ptr<State> state(new State(database));
  if (opened != SQLITE_OK) return database_error(database, fmt::format("opening {}", file.string()));
  sqlite3_busy_timeout(database, 5000);
  TRY(state->execute("PRAGMA journal_mode=WAL"));
  TRY(state->execute("PRAGMA synchronous=OFF"));
  TRY(state->execute(
      "CREATE TABLE IF NOT EXISTS resource (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, "
      "PRIMARY KEY (kind, id)) WITHOUT ROWID"));
  TRY(state->load(), "reading {}", file.string());
  TRY(state->ensure_secret());
  return state;
}

Result<> State::execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return database_error(database_, "writing the region's state");
}

Result<> State::write(const Change& change) {
  const Statement statement =
      TRY(prepare(database_, change.body.empty() ? "DELETE FROM resource WHERE kind = ?1 AND id = ?2"
                                                 : "INSERT OR REPLACE INTO resource VALUES (?1, ?2, ?3)"));
  bind(statement, 1, change.kind);
  bind(statement, 2, change.id);
  if (!change.body.empty()) bind(statement, 3, change.body);
  if (sqlite3_step(statement.get()) != SQLITE_DONE)
    return database_error(database_, "writing the region's state");
  return {};
}

Result<> State::commit() {
  if (changes_.empty()) return {};
  TRY(execute("BEGIN IMMEDIATE"));
  for (const Change& change : changes_) {
    if (auto written = write(change); !written.ok()) {
      const auto undone = execute("ROLLBACK");
      return undone.ok() ? written : undone;
    }
  }
  TRY(execute("COMMIT"));
  changes_.clear();
  return {};
}

Result<> State::roll_back() {
  if (changes_.empty()) return {};
  changes_.clear();
  return load();
}

Result<> State::load_row(const std::string& kind, const std::string& id, const std::string& body) {
  if (kind == secret_kind) {
    secret_ = body;
    return {};
  }
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_discarded()) return error(ErrorCode::corrupt, "the record of {} is not JSON", id);
  std::apply(
      [&](auto&... table) {
        auto take = [&]<typename T>(Table<T>& rows) {
          if (kind == T::kind) rows[id] = json.get<T>();
        };
        (take(table), ...);
      },
      tables_);
  return {};
}

Result<> State::load() {
  std::apply([](auto&... table) { (table.clear(), ...); }, tables_);
  const Statement statement = TRY(prepare(database_, "SELECT kind, id, body FROM resource"));
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(statement.get())) == SQLITE_ROW) {
    TRY(load_row(column(statement, 0), column(statement, 1), column(statement, 2)));
  }
  if (step != SQLITE_DONE) return database_error(database_, "reading the region's state");
  return {};
}

Result<> State::ensure_secret() {
  if (!secret_.empty()) return {};
  SystemRandom random;
  secret_ = random.hex(32);
  changes_.push_back({secret_kind, "tokens", secret_});
  return commit();
}

}  // namespace rekindle::sandbox
