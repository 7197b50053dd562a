#include "guest/udev_rule.h"

#include <algorithm>

#include "guest/text_lines.h"

namespace rekindle {

namespace {

bool is_operator(char c) {
  return c == '=' || c == '!' || c == '+' || c == '-' || c == ':';
}

}  // namespace

std::vector<UdevTerm> parse_udev_rule(std::string_view line) {
  std::vector<UdevTerm> terms;
  line = trim(line);
  if (line.starts_with("#")) return terms;
  while (true) {
    const std::size_t quote = line.find('"');
    const std::size_t end = quote == std::string_view::npos ? quote : line.find('"', quote + 1);
    if (end == std::string_view::npos) return terms;
    std::string_view key = trim(line.substr(0, quote));
    std::size_t length = key.size();
    while (length > 0 && is_operator(key[length - 1])) --length;
    std::string_view name = trim(key.substr(0, length));
    while (name.starts_with(",")) name = trim(name.substr(1));
    terms.push_back({std::string(name), std::string(key.substr(length)),
                     std::string(line.substr(quote + 1, end - quote - 1))});
    line.remove_prefix(end + 1);
  }
}

std::string nic_name_given_by(const std::vector<UdevTerm>& rule) {
  const bool is_network = std::ranges::any_of(rule, [](const UdevTerm& term) {
    return term.key == "SUBSYSTEM" && term.op == "==" && term.value == "net";
  });
  const auto name = std::ranges::find_if(
      rule, [](const UdevTerm& term) { return term.key == "NAME" && (term.op == "=" || term.op == ":="); });
  return is_network && name != rule.end() ? name->value : "";
}

bool is_about_one_card(const std::vector<UdevTerm>& rule) {
  return std::ranges::any_of(rule, [](const UdevTerm& term) {
    const bool identity = term.key == "ATTR{address}" || term.key == "ATTRS{address}" ||
                          term.key == "SYSFS{address}" || term.key == "KERNELS" || term.key == "ID" ||
                          term.key == "ENV{ID_PATH}" || term.key == "ENV{ID_NET_NAME_MAC}" ||
                          term.key == "DEVPATH";
    return identity && term.op == "==" && term.value != "?*" && term.value != "*";
  });
}

}  // namespace rekindle
