// The ledger: every resource we made or may have made.
#include "catalog/catalog.h"

namespace rekindle {

Result<> Catalog::write_entry(const LedgerEntry& entry) {
  auto statement =
      TRY(database_.prepare("INSERT INTO ledger (token, released, body) VALUES (?1, ?2, ?3) "
                            "ON CONFLICT (token) DO UPDATE SET released = ?2, body = ?3"));
  return statement.bind(1, entry.token)
      .bind(2, static_cast<std::int64_t>(entry.state == ResourceState::released))
      .bind(3, nlohmann::json(entry).dump())
      .run();
}

Result<LedgerEntry> Catalog::ledger_entry(const std::string& token) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare("SELECT body FROM ledger WHERE token = ?1"));
  statement.bind(1, token);
  if (!TRY(statement.step())) return error(ErrorCode::not_found, "the ledger does not know '{}'", token);
  return parse_json<LedgerEntry>(statement.text(0));
}

Result<bool> Catalog::intend(LedgerEntry entry) {
  bool is_new = false;
  TRY(transaction([&]() -> Result<> {
    const auto known = ledger_entry(entry.token);
    if (!known.ok() && known.error().code() != ErrorCode::not_found) return known.error();
    is_new = !known.ok() || known->state == ResourceState::released;
    if (!is_new) return {};
    entry.state = ResourceState::intended;
    entry.updated = clock_.now();
    return write_entry(entry);
  }));
  return is_new;
}

Result<> Catalog::change_entry(const std::string& token, const std::function<void(LedgerEntry&)>& change) {
  return transaction([&]() -> Result<> {
    auto entry = TRY(ledger_entry(token));
    change(entry);
    entry.updated = clock_.now();
    return write_entry(entry);
  });
}

Result<> Catalog::mark_exists(const std::string& token, const std::string& object_id) {
  return change_entry(token, [&](LedgerEntry& entry) {
    entry.state = ResourceState::exists;
    entry.object_id = object_id;
  });
}

Result<> Catalog::mark_used(const std::string& token, const std::string& in_use_by) {
  return change_entry(token, [&](LedgerEntry& entry) { entry.in_use_by = in_use_by; });
}

Result<> Catalog::mark_released(const std::string& token) {
  return change_entry(token, [](LedgerEntry& entry) {
    entry.state = ResourceState::released;
    entry.in_use_by.clear();
  });
}

Result<> Catalog::release_uses(const std::string& in_use_by) {
  return transaction([&]() -> Result<> {
    const auto entries = TRY(ledger());
    for (const LedgerEntry& entry : entries) {
      if (entry.in_use_by == in_use_by) TRY(mark_used(entry.token, ""));
    }
    return {};
  });
}

Result<std::vector<LedgerEntry>> Catalog::ledger(bool with_released) {
  const std::lock_guard lock(mutex_);
  auto statement = TRY(database_.prepare("SELECT body FROM ledger WHERE released <= ?1 ORDER BY sequence"));
  statement.bind(1, static_cast<std::int64_t>(with_released));
  std::vector<LedgerEntry> entries;
  while (TRY(statement.step())) entries.push_back(TRY(parse_json<LedgerEntry>(statement.text(0))));
  return entries;
}

}  // namespace rekindle
