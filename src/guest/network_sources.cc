#include "guest/network_sources.h"

#include <algorithm>
#include <map>

namespace rekindle {

namespace {

struct NetworkPlace {
  const char* folder;
  std::string_view prefix;
  std::string_view suffix;
  NetworkTool tool;
  NetworkRewrite rewrite;
};

constexpr NetworkPlace places[] = {
    {"/etc/network", "interfaces", "interfaces", NetworkTool::ifupdown, rewrite_interfaces},
    {"/etc/network/interfaces.d", "", "", NetworkTool::ifupdown, rewrite_interfaces},
    {"/etc/netplan", "", ".yaml", NetworkTool::netplan, rewrite_netplan},
    {"/etc/systemd/network", "", ".network", NetworkTool::networkd, rewrite_networkd},
    {"/etc/systemd/network", "", ".netdev", NetworkTool::networkd, rewrite_netdev},
    {"/etc/NetworkManager/system-connections", "", "", NetworkTool::network_manager, rewrite_network_manager},
    {"/etc/sysconfig/network-scripts", "ifcfg-", "", NetworkTool::network_scripts, rewrite_ifcfg}};

// What editors and packages leave beside a file; network-scripts do not read them either.
bool is_left_over(std::string_view path) {
  constexpr std::string_view endings[] = {"~", ".bak", ".orig", ".old", ".rpmsave", ".rpmnew", ".rpmorig"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); });
}

// By their names, whatever folder they are in; what stands in /etc hides its namesake of a package.
Result<std::vector<std::string>> with_files_of_packages(Ext4Volume& root, std::vector<std::string> own) {
  std::map<std::string, std::string> by_name;
  for (const char* folder : {"/lib/netplan", "/usr/lib/netplan"}) {
    const auto paths = TRY(files_in(root, folder, "", ".yaml"));
    for (const std::string& path : paths) {
      const std::string name = path.substr(path.rfind('/') + 1);
      const bool off = TRY(is_switched_off(root, "/etc/netplan/" + name));
      if (!off) by_name[name] = path;
    }
  }
  for (std::string& path : own) {
    const std::string name = path.substr(path.rfind('/') + 1);
    by_name[name] = std::move(path);
  }
  std::vector<std::string> all;
  for (auto& [name, path] : by_name) all.push_back(std::move(path));
  return all;
}

Result<bool> is_any_file(Ext4Volume& root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const bool there = TRY(root.is_file(path));
    if (there) return true;
  }
  return false;
}

}  // namespace

std::string_view to_string(NetworkTool tool) {
  switch (tool) {
    case NetworkTool::ifupdown:
      return "ifupdown";
    case NetworkTool::netplan:
      return "netplan";
    case NetworkTool::networkd:
      return "systemd-networkd";
    case NetworkTool::network_manager:
      return "NetworkManager";
    case NetworkTool::network_scripts:
      return "network-scripts";
  }
  return "unknown";
}

Result<std::vector<std::string>> files_in(Ext4Volume& root, const std::string& folder,
                                          std::string_view prefix, std::string_view suffix) {
  std::vector<std::string> files;
  const bool there = TRY(root.is_directory(folder));
  if (!there) return files;
  const auto names = TRY(root.list(folder));
  for (const std::string& name : names) {
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    const std::string path = fmt::format("{}/{}", folder, name);
    const bool is_file = TRY(root.is_file(path));
    if (is_file) files.push_back(path);
  }
  return files;
}

Result<NetworkFiles> find_network_files(Ext4Volume& root, NetworkFileOwner owner) {
  NetworkFiles found;
  for (const NetworkPlace& place : places) {
    auto paths = TRY(files_in(root, place.folder, place.prefix, place.suffix));
    if (place.tool == NetworkTool::network_scripts) std::erase_if(paths, is_left_over);
    if (place.tool == NetworkTool::netplan && owner == NetworkFileOwner::anyone)
      paths = TRY(with_files_of_packages(root, std::move(paths)));
    if (paths.size() > most_files_of_a_folder) {
      found.crowded.emplace_back(place.folder);
      paths.resize(most_files_of_a_folder);
    }
    for (const std::string& path : paths) found.files.push_back({path, place.tool, place.rewrite});
  }
  return found;
}

Result<NetworkRules> read_network_rules(Ext4Volume& root, const NetworkFiles& files,
                                        const ConversionOptions& options) {
  const Platform old = options.platform == Platform::ec2 ? Platform::vmware : Platform::ec2;
  NetworkRules rules{!options.keep_static_addresses,
                     hardware_of(options.platform).link_drivers,
                     hardware_of(old).past_drivers,
                     {}};
  for (const NetworkFile& file : files.files) {
    if (file.tool != NetworkTool::network_manager) continue;
    const std::string text = TRY(root.read_text(file.path));
    const NetworkEdit edit = file.rewrite(text, rules);
    for (const NicSetting& setting : edit.settings)
      if (!setting.master.empty()) rules.masters.insert(setting.master);
  }
  return rules;
}

Result<std::set<NetworkTool>> running_tools(Ext4Volume& root, GuestServices& services) {
  std::set<NetworkTool> running;
  const bool manager = TRY(services.starts("NetworkManager"));
  const bool networkd = TRY(services.starts("systemd-networkd"));
  const bool networking = TRY(services.starts("networking"));
  const bool scripts = TRY(services.starts("network"));
  const bool ifup = TRY(is_any_file(root, {"/sbin/ifup", "/usr/sbin/ifup"}));
  const bool netplan = TRY(is_any_file(
      root, {"/usr/lib/systemd/system-generators/netplan", "/lib/systemd/system-generators/netplan"}));
  // netplan's generator starts networkd itself.
  const bool can_networkd = TRY(services.can_start("systemd-networkd"));
  if (networking && ifup) running.insert(NetworkTool::ifupdown);
  if (netplan && (can_networkd || manager)) running.insert(NetworkTool::netplan);
  if (networkd) running.insert(NetworkTool::networkd);
  if (manager) running.insert(NetworkTool::network_manager);
  if (manager || scripts) running.insert(NetworkTool::network_scripts);
  return running;
}

}  // namespace rekindle
