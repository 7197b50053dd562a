// netplan's YAML, as installers and people write it: blocks by indentation. What is written in flow style
// ({...}) is left alone with a warning.
#include <algorithm>
#include <map>
#include <set>

#include "guest/network_files.h"

namespace rekindle {

namespace {

struct YamlLine {
  std::string raw;
  std::size_t indent = 0;
  std::string key;  // empty: a blank, a comment, an item of a list
  std::string value;
  bool list_item = false;
  bool is_content = false;
};

std::string unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front()) {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

YamlLine parse_line(const std::string& raw) {
  YamlLine line;
  line.raw = raw;
  line.indent = raw.find_first_not_of(' ');
  if (line.indent == std::string::npos || raw[line.indent] == '#') return line;
  line.is_content = true;
  line.list_item = raw.compare(line.indent, 2, "- ") == 0 || raw.substr(line.indent) == "-";
  const std::size_t colon =
      std::min(raw.find(": ", line.indent), raw.ends_with(":") ? raw.size() - 1 : std::string::npos);
  if (line.list_item || colon == std::string::npos) return line;
  line.key = unquoted(std::string_view(raw).substr(line.indent, colon - line.indent));
  line.value = std::string(trim(std::string_view(raw).substr(colon + 1)));
  return line;
}

// One device: its key line, and the lines below it.
struct Device {
  std::size_t at = 0;
  std::size_t end = 0;
  std::string kind;  // "ethernets"
};

class NetplanRewriter {
 public:
  NetplanRewriter(std::string_view text, const NetworkRules& rules) : text_(text), rules_(rules) {
    for (const std::string& line : split_lines(text)) lines_.push_back(parse_line(line));
  }

  NetworkEdit rewrite() {
    for (const Device& device : find_devices()) rewrite_device(device);
    edit_.text = std::string(text_);
    if (!edit_.changes.empty()) edit_.text = changed_text();
    return std::move(edit_);
  }

 private:
  // Where the block that a key opens ends. Items of a list may stand as far left as their key.
  std::size_t end_of_block(std::size_t at) const {
    std::size_t end = at + 1;
    for (std::size_t i = at + 1; i < lines_.size(); ++i) {
      const YamlLine& line = lines_[i];
      if (!line.is_content) continue;
      const bool inside =
          line.indent > lines_[at].indent || (line.list_item && line.indent == lines_[at].indent);
      if (!inside) break;
      end = i + 1;
    }
    return end;
  }

  // The keys directly below the one at `at`.
  std::vector<std::size_t> children(std::size_t at) const {
    std::vector<std::size_t> found;
    const std::size_t end = end_of_block(at);
    for (std::size_t i = at + 1; i < end;) {
      if (lines_[i].key.empty()) {
        ++i;
        continue;
      }
      found.push_back(i);
      i = end_of_block(i);
    }
    return found;
  }

  std::vector<Device> find_devices() {
    std::vector<Device> devices;
    for (std::size_t top = 0; top < lines_.size(); ++top) {
      if (lines_[top].key != "network") continue;
      if (lines_[top].value.starts_with("{"))
        edit_.warnings.emplace_back("it is written in flow style and was left as it is");
      for (const std::size_t kind : children(top)) add_devices_of(kind, devices);
    }
    return devices;
  }

  void add_devices_of(std::size_t kind, std::vector<Device>& devices) {
    static const std::set<std::string> kinds = {"ethernets", "bridges", "bonds"};
    if (!kinds.contains(lines_[kind].key)) return;
    for (const std::size_t device : children(kind))
      devices.push_back({device, end_of_block(device), lines_[kind].key});
  }

  void rewrite_device(const Device& device) {
    YamlLine& head = lines_[device.at];
    std::map<std::string, std::size_t> settings;
    for (const std::size_t child : children(device.at)) settings[lines_[child].key] = child;
    if (head.value.starts_with("{")) {
      edit_.warnings.push_back(head.key + " is written in flow style and was left as it is");
      return;
    }
    if (device.kind == "ethernets") release_from_address(head, settings);
    const bool is_static = settings.contains("addresses");
    if (is_static && rules_.static_to_dhcp) make_dhcp(head, settings);
  }

  // `match: macaddress` finds the old card only: the name takes its place.
  void release_from_address(YamlLine& head, const std::map<std::string, std::size_t>& settings) {
    std::string name = head.key;
    const auto match = settings.find("match");
    const auto new_name = settings.find("set-name");
    if (match == settings.end()) {
      if (is_nic_name(name)) edit_.nic_names.push_back(name);
      return;
    }
    if (!block_has_key(match->second, "macaddress")) return;
    if (new_name != settings.end()) name = unquoted(lines_[new_name->second].value);
    if (!is_nic_name(name)) {
      edit_.warnings.push_back(head.key +
                               " is found by the address of its old card: name it in the guest (set-name)");
      return;
    }
    drop_block(match->second);
    if (new_name != settings.end()) drop_block(new_name->second);
    head.raw = std::string(head.indent, ' ') + name + ":";
    edit_.nic_names.push_back(name);
    edit_.changes.push_back(name + " is found by its name instead of by the address of its old card");
  }

  bool block_has_key(std::size_t at, const std::string& key) const {
    const auto keys = children(at);
    return std::ranges::any_of(keys, [&](std::size_t child) { return lines_[child].key == key; });
  }

  void make_dhcp(const YamlLine& head, const std::map<std::string, std::size_t>& settings) {
    for (const char* key : {"addresses", "gateway4", "routes", "nameservers", "dhcp4"}) {
      const auto found = settings.find(key);
      if (found != settings.end()) drop_block(found->second);
    }
    const std::size_t first = settings.begin()->second;
    dhcp_before_.emplace(std::min(first, settings.at("addresses")), lines_[first].indent);
    edit_.changes.push_back(head.key + " takes its IPv4 address by DHCP instead of a static one");
  }

  void drop_block(std::size_t at) {
    for (std::size_t i = at; i < end_of_block(at); ++i) dropped_.insert(i);
  }

  std::string changed_text() const {
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const auto dhcp = dhcp_before_.find(i);
      if (dhcp != dhcp_before_.end()) kept.push_back(std::string(dhcp->second, ' ') + "dhcp4: true");
      if (!dropped_.contains(i)) kept.push_back(lines_[i].raw);
    }
    return join_lines(kept);
  }

  std::string_view text_;
  NetworkRules rules_;
  std::vector<YamlLine> lines_;
  std::set<std::size_t> dropped_;
  std::map<std::size_t, std::size_t> dhcp_before_;  // line -> indentation
  NetworkEdit edit_;
};

}  // namespace

NetworkEdit rewrite_netplan(std::string_view text, const NetworkRules& rules) {
  return NetplanRewriter(text, rules).rewrite();
}

}  // namespace rekindle
