// netplan's YAML, as installers and people write it: blocks by indentation. A device that is written in flow
// style ({...}) is left alone with a warning.
#include <fmt/ranges.h>

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

std::string without_comment(std::string_view value) {
  if (value.starts_with("#")) return {};
  const bool quoted = value.starts_with("\"") || value.starts_with("'");
  return std::string(quoted ? value : trim(value.substr(0, value.find(" #"))));
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
  line.value = without_comment(trim(std::string_view(raw).substr(colon + 1)));
  return line;
}

// The value of a key in a map in flow style: "{macaddress: '00:50:..', name: ens*}".
std::string flow_value(std::string_view map, std::string_view key) {
  if (!map.starts_with("{")) return {};
  map = map.substr(1, map.rfind('}') == std::string_view::npos ? map.size() : map.rfind('}') - 1);
  while (!map.empty()) {
    const std::size_t end = std::min(map.find(','), map.size());
    const std::string_view pair = map.substr(0, end);
    const std::size_t colon = pair.find(':');
    if (colon != std::string_view::npos && unquoted(pair.substr(0, colon)) == key)
      return unquoted(pair.substr(colon + 1));
    map.remove_prefix(std::min(end + 1, map.size()));
  }
  return {};
}

// "[ens192, 'ens224']"
std::vector<std::string> flow_items(std::string list) {
  std::ranges::replace_if(list, [](char c) { return c == '[' || c == ']' || c == ','; }, ' ');
  std::vector<std::string> items;
  for (const std::string& word : split_words(list)) items.push_back(unquoted(word));
  return items;
}

bool is_yes(const std::string& value) {
  static const std::set<std::string> words = {"true", "yes", "on", "y"};
  return words.contains(unquoted(value));
}

// One device: its key line, and the lines below it.
struct Device {
  std::size_t at = 0;
  std::size_t end = 0;
  std::string kind;      // "ethernets"
  std::string renderer;  // of all of its kind
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
      if (lines_[top].value.starts_with("{")) {
        edit_.warnings.emplace_back("it is written in flow style and was left as it is");
        add_unread("a NIC");
      }
      for (const std::size_t kind : children(top)) {
        if (lines_[kind].key == "renderer") edit_.renderer = unquoted(lines_[kind].value);
        add_devices_of(kind, devices);
      }
    }
    return devices;
  }

  void add_devices_of(std::size_t kind, std::vector<Device>& devices) {
    static const std::set<std::string> kinds = {"ethernets", "bridges", "bonds"};
    if (!kinds.contains(lines_[kind].key)) return;
    if (lines_[kind].value.starts_with("{")) {
      edit_.warnings.push_back(lines_[kind].key + " is written in flow style and was left as it is");
      add_unread("a NIC");
    }
    std::string renderer;
    for (const std::size_t device : children(kind)) {
      if (lines_[device].key == "renderer") {
        renderer = unquoted(lines_[device].value);
      } else {
        devices.push_back({device, end_of_block(device), lines_[kind].key, renderer});
      }
    }
  }

  void add_unread(const std::string& device) {
    NicSetting setting;
    setting.device = device;
    setting.address = AddressSource::unknown;
    edit_.settings.push_back(std::move(setting));
  }

  using Keys = std::map<std::string, std::size_t>;  // of a device, and where they stand

  void rewrite_device(const Device& device) {
    YamlLine& head = lines_[device.at];
    Keys keys;
    for (const std::size_t child : children(device.at)) keys[lines_[child].key] = child;
    if (head.value.starts_with("{") && head.value != "{}") {
      edit_.warnings.push_back(head.key + " is written in flow style and was left as it is");
      add_unread(head.key);
      return;
    }
    NicSetting setting = setting_of(head.key, keys);
    if (setting.renderer.empty()) setting.renderer = device.renderer;
    if (device.kind == "ethernets") release_from_card(head, keys, setting);
    // Of other drivers' cards and of the guest's own networks nothing is changed.
    const bool ours = is_on_the_lan(head.key) && glob_matches(setting.drivers, rules_.driver());
    if (ours) drop_borrowed_address(keys);
    if (ours && keys.contains("addresses") && rules_.static_to_dhcp) {
      if (keys.contains("gateway4") || has_default_route(keys)) edit_.gateway_device = setting.device;
      make_dhcp(head, keys);
      setting.address = AddressSource::dhcp;
    } else if (!keys.empty() &&
               std::ranges::all_of(keys, [this](const auto& key) { return dropped_.contains(key.second); })) {
      head.raw = std::string(head.indent, ' ') + setting.device + ": {}";  // nothing is no map
    }
    edit_.settings.push_back(std::move(setting));
  }

  NicSetting setting_of(const std::string& name, const Keys& keys) const {
    const auto value = [&](const char* key) {
      const auto found = keys.find(key);
      return found == keys.end() ? std::string() : lines_[found->second].value;
    };
    NicSetting setting;
    setting.device = name;
    setting.names = {name};
    setting.at_boot = value("activation-mode").empty();
    setting.renderer = unquoted(value("renderer"));
    if (is_yes(value("dhcp4"))) {
      setting.address = AddressSource::dhcp;
    } else if (keys.contains("addresses")) {
      setting.address = AddressSource::fixed;
    }
    const auto ports = keys.find("interfaces");
    if (ports != keys.end()) setting.ports = items_of(ports->second);
    return setting;
  }

  // Of a list in either style.
  std::vector<std::string> items_of(std::size_t at) const {
    std::vector<std::string> items = flow_items(lines_[at].value);
    const std::size_t end = end_of_block(at);
    for (std::size_t i = at + 1; i < end; ++i) {
      if (!lines_[i].list_item) continue;
      items.push_back(unquoted(std::string_view(lines_[i].raw).substr(lines_[i].indent + 1)));
    }
    return items;
  }

  // `match` by address finds the old card only, and so does its driver: the name takes its place.
  void release_from_card(YamlLine& head, const Keys& keys, NicSetting& setting) {
    std::string name = head.key;
    const auto match = keys.find("match");
    const auto new_name = keys.find("set-name");
    if (match == keys.end()) {
      if (is_nic_name(name)) edit_.add_nic(name);
      return;
    }
    const auto drivers = flow_items(match_value(match->second, "driver"));
    const bool by_address = !match_value(match->second, "macaddress").empty();
    const bool by_driver = rules_.is_old_card(drivers);
    const std::string wanted = match_value(match->second, "name");
    setting.names = wanted.empty() ? std::vector<std::string>() : std::vector{wanted};
    if (!by_driver) setting.drivers = drivers;
    const bool of_other_card = !glob_matches(setting.drivers, rules_.driver());
    if (of_other_card || (!by_address && !by_driver)) {
      if (!of_other_card && new_name == keys.end() && is_nic_name(wanted)) edit_.add_nic(wanted);
      return;
    }
    if (new_name != keys.end()) name = unquoted(lines_[new_name->second].value);
    if (!is_nic_name(name)) {
      edit_.warnings.push_back(head.key +
                               " is found by the address of its old card: name it in the guest (set-name)");
      setting.old_card_only = true;
      return;
    }
    drop_block(match->second);
    if (new_name != keys.end()) drop_block(new_name->second);
    head.raw = std::string(head.indent, ' ') + name + ":";
    setting.device = name;
    setting.names = {name};
    setting.drivers.clear();
    edit_.add_nic(name);
    edit_.changes.push_back(fmt::format("{} is found by its name instead of by the {} of its old card", name,
                                        by_address ? "address" : "driver"));
  }

  void drop_borrowed_address(const Keys& keys) {
    const auto borrowed = keys.find("macaddress");
    if (borrowed == keys.end()) return;
    drop_block(borrowed->second);
    edit_.changes.emplace_back(own_address_kept);
  }

  // What `match` says of a key, in either style; of a list its items with blanks between them.
  std::string match_value(std::size_t at, const std::string& key) const {
    for (const std::size_t child : children(at)) {
      if (lines_[child].key != key) continue;
      if (lines_[child].value.empty()) return fmt::format("{}", fmt::join(items_of(child), " "));
      return unquoted(lines_[child].value);
    }
    return flow_value(lines_[at].value, key);
  }

  void make_dhcp(const YamlLine& head, const Keys& settings) {
    for (const char* key : {"addresses", "gateway4", "routes", "nameservers", "dhcp4"}) {
      const auto found = settings.find(key);
      if (found != settings.end()) drop_block(found->second);
    }
    const std::size_t first = settings.begin()->second;
    dhcp_before_.emplace(std::min(first, settings.at("addresses")), lines_[first].indent);
    edit_.changes.push_back(head.key + " takes its IPv4 address by DHCP instead of a static one");
  }

  bool has_default_route(const Keys& keys) const {
    const auto routes = keys.find("routes");
    if (routes == keys.end()) return false;
    const std::size_t end = end_of_block(routes->second);
    for (std::size_t i = routes->second; i < end; ++i) {
      for (const char* all : {"default", "0.0.0.0/0"}) {
        if (lines_[i].raw.find(all) != std::string::npos) return true;
      }
    }
    return false;
  }

  void drop_block(std::size_t at) {
    const std::size_t end = end_of_block(at);
    for (std::size_t i = at; i < end; ++i) dropped_.insert(i);
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
