#include "cli/output.h"

#include <fmt/core.h>

#include <algorithm>

namespace rekindle {

namespace {

std::string cell(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    std::string joined;
    for (const auto& item : value) joined += (joined.empty() ? "" : ", ") + cell(item);
    return joined;
  }
  return value.dump();
}

std::string field_of(const nlohmann::json& record, const std::string& field) {
  const nlohmann::json* at = &record;
  for (std::size_t start = 0; start <= field.size();) {
    const std::size_t dot = std::min(field.find('.', start), field.size());
    const auto found = at->find(field.substr(start, dot - start));
    if (found == at->end()) return "";
    at = &*found;
    start = dot + 1;
  }
  return cell(*at);
}

}  // namespace

void Output::records(const std::vector<nlohmann::json>& records, const std::vector<Column>& columns) const {
  if (json) {
    fmt::print("{}\n", nlohmann::json(records).dump(2));
    return;
  }
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : columns) rows[0].push_back(column.title);
  for (const auto& record : records) {
    auto& row = rows.emplace_back();
    for (const Column& column : columns) row.push_back(field_of(record, column.field));
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
}

void Output::record(const nlohmann::json& record) const {
  if (json) {
    fmt::print("{}\n", record.dump(2));
    return;
  }
  for (const auto& [name, value] : record.items()) {
    if (!value.empty() || value.is_boolean()) fmt::print("{:<24} {}\n", name, cell(value));
  }
}

void Output::say(const std::string& sentence) const {
  if (!json) fmt::print("{}\n", sentence);
}

void Output::progress(const std::string& sentence) const {
  if (json) {
    fmt::print(stderr, "{}\n", nlohmann::json{{"progress", sentence}}.dump());
  } else {
    say(sentence);
  }
}

void Output::fail(const Error& error) const {
  if (json) {
    const nlohmann::json body = {
        {"error", {{"code", std::string(to_string(error.code()))}, {"message", error.message()}}}};
    fmt::print(stderr, "{}\n", body.dump());
  } else {
    fmt::print(stderr, "rekindle: {}\n", error.message());
  }
}

}  // namespace rekindle
