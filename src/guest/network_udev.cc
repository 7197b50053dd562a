#include "guest/network_files.h"
#include "guest/udev_rule.h"

namespace rekindle {

// A rule over several lines is left: cut in half it would mean something else.
NetworkEdit rewrite_udev_rules(std::string_view text, const NetworkRules& /*rules*/) {
  NetworkEdit edit;
  auto lines = split_lines(text);
  bool goes_on = false;
  for (std::string& line : lines) {
    const bool whole = !goes_on && !trim(line).ends_with("\\");
    goes_on = trim(line).ends_with("\\");
    const auto rule = parse_udev_rule(line);
    const std::string name = nic_name_given_by(rule);
    if (!whole || name.empty() || !is_about_one_card(rule)) continue;
    line = "# " + line;
    edit.changes.push_back(name + " is not the name of the old card any more");
  }
  edit.text = edit.changes.empty() ? std::string(text) : join_lines(lines);
  return edit;
}

}  // namespace rekindle
