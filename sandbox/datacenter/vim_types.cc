#include "sandbox/datacenter/vim_types.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace rekindle::sandbox {

namespace {

using Names = std::initializer_list<std::string_view>;

struct ManagedType {
  std::string_view name;
  std::string_view base;
  Names properties;
};

const ManagedType managed_types[] = {
    {"ExtensibleManagedObject", "", {"value", "availableField"}},
    {"ManagedEntity",
     "ExtensibleManagedObject",
     {"parent", "customValue", "overallStatus", "configStatus", "configIssue", "effectiveRole", "permission",
      "name", "disabledMethod", "recentTask", "declaredAlarmState", "triggeredAlarmState",
      "alarmActionsEnabled", "tag"}},
    {"VirtualMachine",
     "ManagedEntity",
     {"capability", "config", "layout", "layoutEx", "storage", "environmentBrowser", "resourcePool",
      "parentVApp", "resourceConfig", "runtime", "guest", "summary", "datastore", "network", "snapshot",
      "rootSnapshot", "guestHeartbeatStatus"}},
    {"VirtualMachineSnapshot", "ExtensibleManagedObject", {"config", "childSnapshot", "vm"}},
    {"Folder", "ManagedEntity", {"childType", "childEntity", "namespace"}},
    {"Datacenter",
     "ManagedEntity",
     {"vmFolder", "hostFolder", "datastoreFolder", "networkFolder", "datastore", "network", "configuration"}},
    {"ComputeResource",
     "ManagedEntity",
     {"resourcePool", "host", "datastore", "network", "summary", "environmentBrowser", "configurationEx"}},
    {"HostSystem",
     "ManagedEntity",
     {"runtime", "summary", "hardware", "capability", "licensableResource", "configManager", "config", "vm",
      "datastore", "network", "datastoreBrowser", "systemResources"}},
    {"ResourcePool",
     "ManagedEntity",
     {"summary", "runtime", "owner", "resourcePool", "vm", "config", "childConfiguration"}},
    {"Datastore",
     "ManagedEntity",
     {"info", "summary", "host", "vm", "browser", "capability", "iormConfiguration"}},
    {"Network", "ManagedEntity", {"name", "summary", "host", "vm"}},
    {"ServiceInstance", "", {"serverClock", "capability", "content"}},
    {"SessionManager",
     "",
     {"sessionList", "currentSession", "message", "messageLocaleList", "supportedLocaleList",
      "defaultLocale"}},
    {"PropertyCollector", "", {"filter"}},
    {"ViewManager", "", {"viewList"}},
    {"View", "", {}},
    {"ManagedObjectView", "View", {"view"}},
    {"ContainerView", "ManagedObjectView", {"container", "type", "recursive"}},
    {"ListView", "ManagedObjectView", {}},
    {"SearchIndex", "", {}},
    {"Task", "ExtensibleManagedObject", {"info"}},
};

const ManagedType* find_type(std::string_view name) {
  const auto* const found = std::find_if(std::begin(managed_types), std::end(managed_types),
                                         [&](const ManagedType& type) { return type.name == name; });
  return found == std::end(managed_types) ? nullptr : found;
}

}  // namespace

bool is_a(std::string_view type, std::string_view wanted) {
  if (wanted == "ManagedObject") return true;
  for (const ManagedType* at = find_type(type); at != nullptr; at = find_type(at->base)) {
    if (at->name == wanted) return true;
  }
  return false;
}

bool has_property(std::string_view type, std::string_view path) {
  const std::string_view name = path.substr(0, path.find('.'));
  for (const ManagedType* at = find_type(type); at != nullptr; at = find_type(at->base)) {
    if (std::find(at->properties.begin(), at->properties.end(), name) != at->properties.end()) return true;
  }
  return false;
}

}  // namespace rekindle::sandbox
