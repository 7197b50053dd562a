// The verbs that are the same for every kind of record.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "model/json.h"

namespace rekindle {

// Records as people may see them: sealed secrets are left out.
template <typename T>
nlohmann::json shown(const T& record) {
  nlohmann::json body = record;
  for (const char* secret :
       {"sealed_password", "sealed_secret_access_key", "sealed_passphrase", "sealed_external_id"})
    body.erase(secret);
  return body;
}

template <typename T>
std::vector<std::string> names_of(const std::vector<T>& records) {
  std::vector<std::string> names;
  for (const T& record : records) names.push_back(record.name);
  return names;
}

inline Result<> refuse_while_used(const std::string& kind, const std::string& name,
                                  const std::string& user_kind, const std::vector<std::string>& users) {
  if (users.empty()) return {};
  return error(ErrorCode::failed_precondition, "the {} {} is used by the {} {}; remove that first", kind,
               name, user_kind, fmt::join(users, ", "));
}

template <typename T>
void add_list_verb(CLI::App& noun, Session& session, const std::string& help, std::vector<Column> columns) {
  add_verb(noun, "list", help, session,
           [&session, columns = std::move(columns)](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto records = TRY(catalog->list<T>());
             std::vector<nlohmann::json> bodies;
             for (const T& record : records) bodies.push_back(shown(record));
             session.output.records(bodies, columns);
             return {};
           });
}

template <typename T>
void add_remove_verb(CLI::App& noun, Session& session, const std::string& help, RemovalGuard guard) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "remove", help, session,
           [&session, name, guard = std::move(guard)](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             if (guard) TRY(guard(*catalog, *name));
             TRY(catalog->remove<T>(*name));
             session.output.say(fmt::format("Removed {} {}.", RecordTraits<T>::kind, *name));
             return {};
           })
      ->add_option("name", *name, "Its name")
      ->required();
}

template <typename T>
void add_show_verb(CLI::App& noun, Session& session, const std::string& help) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "show", help, session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             session.output.record(shown(TRY(catalog->get<T>(*name))));
             return {};
           })
      ->add_option("name", *name, "Its name")
      ->required();
}

}  // namespace rekindle
