#include "cli/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>

namespace rekindle {

namespace {

using nlohmann::json;

constexpr int deepest = 32;
// Aliases could make a small text a huge tree.
constexpr std::size_t most_values = 1000000;

json scalar(const YAML::Node& node) {
  const std::string text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "false") return text == "true";
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const bool plain = text.size() == 1 || (text[0] != '0' && !text.starts_with("-0"));
  if (parsed.ec == std::errc() && parsed.ptr == end && plain) return number;
  return text;
}

Result<json> convert(const YAML::Node& node, int depth, std::size_t& left) {
  if (depth > deepest) return error(ErrorCode::invalid_argument, "it is nested too deeply");
  if (left-- == 0) return error(ErrorCode::invalid_argument, "it has too many values");
  switch (node.Type()) {
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      return json(nullptr);
    case YAML::NodeType::Scalar:
      return scalar(node);
    case YAML::NodeType::Sequence: {
      json list = json::array();
      for (const auto& item : node) list.push_back(TRY(convert(item, depth + 1, left)));
      return list;
    }
    case YAML::NodeType::Map: {
      json object = json::object();
      for (const auto& entry : node) {
        if (!entry.first.IsScalar())
          return error(ErrorCode::invalid_argument, "line {}: a field's name must be a word",
                       entry.first.Mark().line + 1);
        const std::string& name = entry.first.Scalar();
        if (object.contains(name))
          return error(ErrorCode::invalid_argument, "line {}: '{}' stands twice", entry.first.Mark().line + 1,
                       name);
        object[name] = TRY(convert(entry.second, depth + 1, left));
      }
      return object;
    }
  }
  return json(nullptr);
}

// Text that would be read as something else is quoted.
void emit_text(YAML::Emitter& out, const std::string& text) {
  // A literal block keeps exactly one line end, and no blanks before its first line.
  const bool lines = text.find('\n') != std::string::npos;
  const bool literal = lines && text.ends_with('\n') && !text.ends_with("\n\n") && text[0] != ' ' &&
                       text[0] != '\n' && text.find('\t') == std::string::npos;
  const auto read = lines ? Result<json>(nullptr) : parse_yaml(text);
  if (literal) {
    out << YAML::Literal << text;
  } else if (!read.ok() || *read != json(text)) {
    out << YAML::DoubleQuoted << text;
  } else {
    out << text;
  }
}

void emit(YAML::Emitter& out, const json& value) {
  if (value.is_object()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [name, field] : value.items()) {
      out << YAML::Key << name << YAML::Value;
      emit(out, field);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    const bool plain =
        std::all_of(value.begin(), value.end(), [](const json& item) { return !item.is_structured(); });
    if (plain) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const json& item : value) emit(out, item);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    emit_text(out, value.get<std::string>());
  } else if (value.is_boolean()) {
    out << value.get<bool>();
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

void collect_unknown(const json& given, const json& known, const std::string& path,
                     std::vector<std::string>& unknown) {
  if (given.is_object()) {
    for (const auto& [name, value] : given.items()) {
      // A field that is written as its default may be left out when it is written again.
      const bool is_default = value.is_null() || value == json::object() || value == json::array() ||
                              value == json("") || value == json(0);
      if (!known.is_object() || !known.contains(name)) {
        if (!is_default) unknown.push_back(joined(path, name));
      } else {
        collect_unknown(value, known[name], joined(path, name), unknown);
      }
    }
  } else if (given.is_array() && known.is_array()) {
    for (std::size_t i = 0; i < std::min(given.size(), known.size()); ++i)
      collect_unknown(given[i], known[i], fmt::format("{}[{}]", path, i), unknown);
  }
}

std::string shown(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void collect_differences(const json& before, const json& after, const std::string& path,
                         std::vector<std::string>& found) {
  if (before == after) return;
  if (before.is_object() && after.is_object()) {
    for (const auto& [name, value] : before.items()) {
      if (after.contains(name)) {
        collect_differences(value, after[name], joined(path, name), found);
      } else {
        found.push_back(fmt::format("{}: {} -> nothing", joined(path, name), shown(value)));
      }
    }
    for (const auto& [name, value] : after.items()) {
      if (!before.contains(name))
        found.push_back(fmt::format("{}: nothing -> {}", joined(path, name), shown(value)));
    }
  } else if (before.is_array() && after.is_array() && before.size() == after.size()) {
    for (std::size_t i = 0; i < before.size(); ++i)
      collect_differences(before[i], after[i], fmt::format("{}[{}]", path, i), found);
  } else {
    found.push_back(fmt::format("{}: {} -> {}", path, shown(before), shown(after)));
  }
}

}  // namespace

Result<nlohmann::json> parse_yaml(const std::string& text) {
  // Its exceptions stay in here.
  try {
    const YAML::Node node = YAML::Load(text);
    std::size_t left = most_values;
    return convert(node, 0, left);
  } catch (const YAML::Exception& failure) {
    return error(ErrorCode::invalid_argument, "line {}: {}", failure.mark.line + 1, failure.msg);
  }
}

std::string to_yaml(const nlohmann::json& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

std::vector<std::string> unknown_fields(const nlohmann::json& given, const nlohmann::json& known) {
  std::vector<std::string> unknown;
  collect_unknown(given, known, "", unknown);
  return unknown;
}

std::vector<std::string> differences(const nlohmann::json& before, const nlohmann::json& after) {
  std::vector<std::string> found;
  collect_differences(before, after, "", found);
  return found;
}

}  // namespace rekindle
