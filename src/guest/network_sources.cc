#include "guest/network_sources.h"

#include <algorithm>

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
    {"/etc/NetworkManager/system-connections", "", "", NetworkTool::network_manager, rewrite_network_manager},
    {"/etc/sysconfig/network-scripts", "ifcfg-", "", NetworkTool::network_scripts, rewrite_ifcfg}};

// What editors and packages leave beside a file; network-scripts do not read them either.
bool is_left_over(std::string_view path) {
  constexpr std::string_view endings[] = {"~", ".bak", ".orig", ".old", ".rpmsave", ".rpmnew", ".rpmorig"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); });
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

Result<std::vector<NetworkFile>> find_network_files(Ext4Volume& root) {
  std::vector<NetworkFile> files;
  for (const NetworkPlace& place : places) {
    const auto paths = TRY(files_in(root, place.folder, place.prefix, place.suffix));
    for (const std::string& path : paths) {
      const bool ignored = place.tool == NetworkTool::network_scripts && is_left_over(path);
      if (!ignored) files.push_back({path, place.tool, place.rewrite});
    }
  }
  return files;
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
