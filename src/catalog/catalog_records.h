// The templates of Catalog: records as JSON bodies.
#pragma once

#include "catalog/catalog.h"
#include "model/json.h"

namespace rekindle {

template <typename T>
Result<> Catalog::put(const T& record) {
  using Traits = RecordTraits<T>;
  return put_record(Traits::kind, Traits::key(record), Traits::subject(record),
                    nlohmann::json(record).dump());
}

template <typename T>
Result<T> Catalog::get(const std::string& key) {
  const std::string body = TRY(get_record(RecordTraits<T>::kind, key));
  return parse_json<T>(body);
}

template <typename T>
Result<std::vector<T>> Catalog::list(const std::string& subject) {
  std::vector<T> records;
  const std::vector<std::string> bodies = TRY(list_records(RecordTraits<T>::kind, subject));
  for (const std::string& body : bodies) records.push_back(TRY(parse_json<T>(body)));
  return records;
}

template <typename T>
Result<> Catalog::remove(const std::string& key) {
  return remove_record(RecordTraits<T>::kind, key);
}

}  // namespace rekindle
