#include "sandbox/datacenter/inventory.h"

#include <algorithm>

#include "sandbox/datacenter/vim_machine.h"
#include "sandbox/datacenter/vim_types.h"

namespace rekindle::sandbox {

namespace {

Value entity(const std::string& type, const std::string& name, const std::optional<Reference>& parent) {
  Value value = object(type);
  if (parent) value.set("parent", to_value(*parent));
  value.set("overallStatus", enumeration("ManagedEntityStatus", "green"));
  value.set("configStatus", enumeration("ManagedEntityStatus", "green"));
  return value.set("name", name);
}

struct FixedFolder {
  const char* id;
  const char* name;
  const char* child_type;
  std::vector<std::string> children;
};
const FixedFolder fixed_folders[] = {
    {"ha-folder-host", "host", "ComputeResource", {"ha-compute-res"}},
    {"ha-folder-datastore", "datastore", "Datastore", {datastore_id}},
    {"ha-folder-network", "network", "Network", {network_id, isolated_network_id}},
};

Value child_types(const char* type) {
  return array_of("xsd:string").add(primitive("xsd:string", type));
}

Value datacenter() {
  Value value = entity("Datacenter", "ha-datacenter", Reference{"Folder", "ha-folder-root"});
  value.set("vmFolder", to_value({"Folder", vm_folder_id}))
      .set("hostFolder", to_value({"Folder", "ha-folder-host"}));
  value.set("datastoreFolder", to_value({"Folder", "ha-folder-datastore"}));
  value.set("networkFolder", to_value({"Folder", "ha-folder-network"}));
  value.set("datastore", references("Datastore", {datastore_id}));
  return value.set("network", references("Network", {network_id, isolated_network_id}));
}

Value compute_resource() {
  Value value = entity("ComputeResource", "localhost.localdomain", Reference{"Folder", "ha-folder-host"});
  value.set("resourcePool", to_value({"ResourcePool", pool_id}))
      .set("host", references("HostSystem", {host_id}));
  value.set("datastore", references("Datastore", {datastore_id}));
  return value.set("network", references("Network", {network_id, isolated_network_id}));
}

Value about() {
  return object("AboutInfo")
      .set("name", "VMware ESXi")
      .set("fullName", "VMware ESXi 6.7.0 build-8169922 (Rekindle sandbox)")
      .set("vendor", "VMware, Inc.")
      .set("version", "6.7.0")
      .set("build", "8169922")
      .set("localeVersion", "INTL")
      .set("localeBuild", "000")
      .set("osType", "vmnix-x86")
      .set("productLineId", "embeddedEsx")
      .set("apiType", "HostAgent")
      .set("apiVersion", "6.7")
      .set("licenseProductName", "VMware ESX Server")
      .set("licenseProductVersion", "6.0");
}

Value host_system(const std::vector<std::string>& machines) {
  Value value = entity("HostSystem", "localhost.localdomain", Reference{"ComputeResource", "ha-compute-res"});
  Value runtime = object("HostRuntimeInfo");
  runtime.set("connectionState", enumeration("HostSystemConnectionState", "connected"));
  runtime.set("powerState", enumeration("HostSystemPowerState", "poweredOn")).set("inMaintenanceMode", false);
  value.set("runtime", runtime).set("vm", references("VirtualMachine", machines));
  value.set("datastore", references("Datastore", {datastore_id}));
  return value.set("network", references("Network", {network_id, isolated_network_id}));
}

Value resource_pool(const std::vector<std::string>& machines) {
  Value value = entity("ResourcePool", "Resources", Reference{"ComputeResource", "ha-compute-res"});
  value.set("owner", to_value({"ComputeResource", "ha-compute-res"}))
      .set("resourcePool", references("ResourcePool", {}));
  return value.set("vm", references("VirtualMachine", machines));
}

Value datastore(const Host& host, const std::vector<std::string>& machines) {
  std::error_code unknown;
  const auto space = std::filesystem::space(host.datastore(), unknown);
  Value value = entity("Datastore", datastore_name, Reference{"Folder", "ha-folder-datastore"});
  Value summary = object("DatastoreSummary");
  summary.set("datastore", to_value({"Datastore", datastore_id})).set("name", datastore_name);
  summary.set("url", std::string("/vmfs/volumes/") + datastore_id);
  summary.set("capacity", unknown ? std::int64_t{0} : static_cast<std::int64_t>(space.capacity));
  summary.set("freeSpace", unknown ? std::int64_t{0} : static_cast<std::int64_t>(space.available));
  summary.set("accessible", true).set("multipleHostAccess", false).set("type", "NFS");
  value.set("summary", std::move(summary));
  return value.set("vm", references("VirtualMachine", machines));
}

Value network(const Host& host, const std::string& id, const std::string& name) {
  std::vector<std::string> machines;
  for (const auto& machine : host.machines()) {
    const MachineRecord record = machine->record();
    if (network_id_of(record) == id) machines.push_back(record.id());
  }
  Value value = entity("Network", name, Reference{"Folder", "ha-folder-network"});
  Value summary = object("NetworkSummary");
  summary.set("network", to_value({"Network", id})).set("name", name).set("accessible", true);
  value.set_any("summary", std::move(summary)).set("host", references("HostSystem", {host_id}));
  return value.set("vm", references("VirtualMachine", machines));
}

}  // namespace

Value service_content() {
  Value content = object("ServiceContent");
  content.set("rootFolder", to_value({"Folder", "ha-folder-root"}));
  content.set("propertyCollector", to_value({"PropertyCollector", "ha-property-collector"}));
  content.set("viewManager", to_value({"ViewManager", "ViewManager"})).set("about", about());
  content.set("sessionManager", to_value({"SessionManager", "ha-sessionmgr"}));
  return content.set("searchIndex", to_value({"SearchIndex", "ha-searchindex"}));
}

std::vector<std::string> Inventory::machine_ids() const {
  std::vector<std::string> ids;
  for (const auto& machine : host_.machines()) ids.push_back(machine->record().id());
  return ids;
}

std::optional<Value> Inventory::fixed_object(const Reference& reference) const {
  const std::string& id = reference.id;
  if (id == "ha-folder-root") {
    return entity("Folder", id, std::nullopt)
        .set("childType", child_types("Datacenter"))
        .set("childEntity", references("Datacenter", {"ha-datacenter"}));
  }
  if (id == vm_folder_id) {
    return entity("Folder", "vm", Reference{"Datacenter", "ha-datacenter"})
        .set("recentTask", references("Task", tasks_.recent(reference)))
        .set("childType", child_types("VirtualMachine"))
        .set("childEntity", references("VirtualMachine", machine_ids()));
  }
  for (const FixedFolder& folder : fixed_folders) {
    if (id != folder.id) continue;
    return entity("Folder", folder.name, Reference{"Datacenter", "ha-datacenter"})
        .set("childType", child_types(folder.child_type))
        .set("childEntity", references(folder.child_type, folder.children));
  }
  if (id == "ha-datacenter") return datacenter();
  if (id == "ha-compute-res") return compute_resource();
  if (id == host_id) return host_system(machine_ids());
  if (id == pool_id) return resource_pool(machine_ids());
  if (id == datastore_id) return datastore(host_, machine_ids());
  if (id == network_id) return network(host_, id, default_network);
  if (id == isolated_network_id) return network(host_, id, isolated_network);
  if (id == "ServiceInstance") {
    return object("ServiceInstance")
        .set("serverClock", SystemClock().now())
        .set("content", service_content());
  }
  if (id == "ha-property-collector" || id == "ViewManager" || id == "ha-searchindex")
    return object(reference.type);
  return std::nullopt;
}

std::optional<Value> Inventory::object_of(const Reference& reference, VimSession* session) const {
  if (reference.type == "VirtualMachine") {
    const auto machine = host_.find(reference.id);
    if (!machine) return std::nullopt;
    return machine_object(machine->record(), machine->places(), tasks_.recent(reference));
  }
  if (reference.type == "VirtualMachineSnapshot") {
    const auto name = parse_snapshot_id(reference.id);
    const auto machine = name ? host_.find(name->machine_id) : nullptr;
    if (!machine) return std::nullopt;
    const MachineRecord record = machine->record();
    const SnapshotRecord* snapshot = record.find_snapshot(name->number);
    if (snapshot == nullptr) return std::nullopt;
    return snapshot_object(record, *snapshot);
  }
  if (reference.type == "Task") return tasks_.object_of(reference.id);
  if (reference.id == "ha-sessionmgr") {
    Value value = object("SessionManager");
    if (session != nullptr) value.set("currentSession", to_user_session(*session));
    return value;
  }
  if (is_a(reference.type, "View")) return view_object(reference, session);
  const auto found = fixed_object(reference);
  return found && found->type == reference.type ? found : std::nullopt;
}

std::optional<Value> Inventory::view_object(const Reference& reference, VimSession* session) const {
  if (session == nullptr) return std::nullopt;
  VimView view;
  {
    const std::lock_guard lock(session->mutex);
    const auto found = session->views.find(reference.id);
    if (found == session->views.end()) return std::nullopt;
    view = found->second;
  }
  Value members = array_of("ManagedObjectReference");
  std::vector<Reference> list = view.list;
  if (reference.type == "ContainerView") list = contained(view.container, view.types, view.recursive);
  for (const Reference& member : list) members.add(to_value(member));
  Value value = object(reference.type).set("view", std::move(members));
  if (reference.type != "ContainerView") return value;
  Value types = array_of("xsd:string");
  for (const std::string& type : view.types) types.add(primitive("xsd:string", type));
  return value.set("container", to_value(view.container))
      .set("type", std::move(types))
      .set("recursive", view.recursive);
}

std::vector<Reference> Inventory::children_of(const Reference& container) const {
  std::vector<Reference> found;
  const auto value = object_of(container, nullptr);
  if (!value) return found;
  for (const char* name : {"childEntity", "vmFolder", "hostFolder", "datastoreFolder", "networkFolder",
                           "host", "resourcePool", "vm"}) {
    // A VM is in the VM folder and in the resource pool; a host is only in its compute resource.
    if (container.type != "ResourcePool" && std::string_view(name) == "vm") continue;
    if (container.type != "ComputeResource" && std::string_view(name) == "host") continue;
    const Value* property = value->find(name);
    if (property == nullptr) continue;
    if (!property->array) found.push_back({property->reference_type, property->text});
    for (const Member& member : property->members)
      found.push_back({member.value.reference_type, member.value.text});
  }
  return found;
}

std::vector<Reference> Inventory::contained(const Reference& container, const std::vector<std::string>& types,
                                            bool recursive) const {
  std::vector<Reference> found;
  std::vector<Reference> seen;
  std::vector<Reference> todo = children_of(container);
  for (std::size_t i = 0; i < todo.size(); ++i) {
    const Reference at = todo[i];
    if (std::find(seen.begin(), seen.end(), at) != seen.end()) continue;
    seen.push_back(at);
    const bool wanted =
        types.empty() ||
        std::any_of(types.begin(), types.end(), [&](const std::string& type) { return is_a(at.type, type); });
    if (wanted) found.push_back(at);
    if (!recursive) continue;
    const std::vector<Reference> more = children_of(at);
    todo.insert(todo.end(), more.begin(), more.end());
  }
  return found;
}

}  // namespace rekindle::sandbox
