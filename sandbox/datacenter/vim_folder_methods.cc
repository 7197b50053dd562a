#include "sandbox/datacenter/vim_folder_methods.h"

#include "sandbox/datacenter/property_filter.h"
#include "sandbox/datacenter/vim_machine.h"
#include "sandbox/datacenter/vim_new_machine.h"

namespace rekindle::sandbox {

namespace {

Fault fault_of(const Error& why, const std::string& name) {
  const Member named{"name", primitive("xsd:string", name), false};
  if (why.code() == ErrorCode::already_exists) {
    return {"DuplicateName",
            fmt::format("The name '{}' already exists.", name),
            {named, {"object", to_value({"Folder", vm_folder_id}), false}}};
  }
  if (why.code() == ErrorCode::failed_precondition) return invalid_argument("configSpec.instanceUuid");
  if (why.code() == ErrorCode::invalid_argument) return {"InvalidName", why.message(), {named}};
  return {"GenericVmConfigFault", why.message(), {{"reason", primitive("xsd:string", why.message()), false}}};
}

}  // namespace

VimAnswer VimFolderMethods::create_machine(const VimCall& call) {
  const Reference folder{"Folder", vm_folder_id};
  if (call.self != folder) {
    return Fault{"NotSupported", "The folder '" + call.self.id + "' holds no virtual machines.", {}};
  }
  const Reference pool = reference_of(child(call.body, "pool"));
  if (pool != Reference{"ResourcePool", pool_id}) return managed_object_not_found(pool);
  const pugi::xml_node host = child(call.body, "host");
  if (host && reference_of(host) != Reference{"HostSystem", host_id})
    return managed_object_not_found(reference_of(host));
  const auto read = read_new_machine(child(call.body, "config"));
  // Nonsense is refused at once; what cannot be done here, by the task.
  const Fault* fault = std::get_if<Fault>(&read);
  if (fault != nullptr && fault->type == "InvalidRequest") return *fault;
  return to_value(tasks_.start("Folder.createVm", folder, "vm", [this, read]() -> Reply {
    if (const Fault* refused = std::get_if<Fault>(&read)) return *refused;
    const auto& hardware = std::get<MachineRecord>(read);
    const auto made = host_.create(hardware);
    if (!made.ok()) return fault_of(made.error(), hardware.name);
    return to_value({"VirtualMachine", (*made)->record().id()});
  }));
}

}  // namespace rekindle::sandbox
