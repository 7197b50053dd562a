// What commands print: tables and sentences for people, JSON with --json.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle {

struct Column {
  std::string field;  // of the record; "a.b" goes into objects
  std::string title;
};

class Output {
 public:
  bool json = false;

  // A table of the columns, or the whole records as a JSON array.
  void records(const std::vector<nlohmann::json>& records, const std::vector<Column>& columns) const;
  // One record: its fields line by line, or JSON.
  void record(const nlohmann::json& record) const;
  // A sentence for people; nothing with --json.
  void say(const std::string& sentence) const;
  // What a command waits for, while it does: a sentence for people; with --json {"progress": "..."} to
  // stderr, in one line, as errors are.
  void progress(const std::string& sentence) const;
  // To stderr.
  void fail(const Error& error) const;
};

}  // namespace rekindle
