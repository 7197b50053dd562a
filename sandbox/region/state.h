// All that the region knows, in memory and in one SQLite file; a call's changes become durable together.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "sandbox/region/model.h"

struct sqlite3;

namespace rekindle::sandbox {

template <typename T>
using Table = std::map<std::string, T>;

// One thread at a time. put() and remove() change memory at once and the file at the next commit(): what a
// client was told survives kill -9 of the server, because the server commits before it answers. (Not a power
// cut: no fsync.)
class State {
 public:
  static Result<std::unique_ptr<State>> open(const std::filesystem::path& file);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  template <typename T>
  const Table<T>& all() const {
    return std::get<Table<T>>(tables_);
  }
  template <typename T>
  std::optional<T> find(const std::string& id) const {
    const auto row = all<T>().find(id);
    return row == all<T>().end() ? std::nullopt : std::optional<T>(row->second);
  }
  template <typename T>
  void put(const T& row) {
    std::get<Table<T>>(tables_)[row.id] = row;
    changes_.push_back({T::kind, row.id, nlohmann::json(row).dump()});
  }
  template <typename T>
  void remove(const std::string& id) {
    std::get<Table<T>>(tables_).erase(id);
    changes_.push_back({T::kind, id, ""});
  }

  // A secret made once: the key of block and page tokens.
  const std::string& secret() const { return secret_; }

  bool changed() const { return !changes_.empty(); }
  Result<> commit();
  // Forgets what was not committed.
  Result<> roll_back();

 private:
  struct Change {
    std::string kind, id, body;  // body empty: removed
  };
  explicit State(sqlite3* database) : database_(database) {}
  Result<> execute(const char* sql);
  Result<> write(const Change& change);
  Result<> load();
  Result<> load_row(const std::string& kind, const std::string& id, const std::string& body);
  Result<> ensure_secret();

  sqlite3* database_;
  std::tuple<Table<Vpc>, Table<Subnet>, Table<SecurityGroup>, Table<Volume>, Table<Snapshot>, Table<Image>,
             Table<Instance>, Table<Replay>, Table<ElasticAddress>, Table<Command>, Table<Invocation>,
             Table<ManagedNode>>
      tables_;
  std::vector<Change> changes_;
  std::string secret_;
};

}  // namespace rekindle::sandbox
