#include "sandbox/datacenter/vim_machine_methods.h"

#include <charconv>

#include "sandbox/datacenter/property_filter.h"
#include "sandbox/datacenter/vim_machine.h"
#include "sandbox/datacenter/vim_machine_config.h"

namespace rekindle::sandbox {

namespace {

Fault invalid_power_state(const MachineRecord& record, PowerState wanted) {
  return {"InvalidPowerState",
          fmt::format("The attempted operation cannot be performed in the current state ({}).",
                      to_string(record.power)),
          {{"requestedState", enumeration("VirtualMachinePowerState", to_string(wanted)), false},
           {"existingState", enumeration("VirtualMachinePowerState", to_string(record.power)), false}}};
}

Fault file_fault(const char* type, const MachineRecord& record, int unit, const std::string& why) {
  const std::string file = datastore_path(record, MachinePlaces::disk_name(record, unit));
  return {
      type, "Error caused by file " + file + ": " + why, {{"file", primitive("xsd:string", file), false}}};
}

// A disk that a program outside writes; else what is not foreseen by the API: the host's own trouble.
Reply reply_of(const Machine& machine, const Result<>& result) {
  if (result.ok()) return {};
  const MachineRecord record = machine.record();
  if (result.error().code() == ErrorCode::unavailable && !record.open_disks.empty()) {
    return file_fault("FileLocked", record, record.open_disks.front().key - 2000, result.error().message());
  }
  return Fault{"GenericVmConfigFault",
               result.error().message(),
               {{"reason", primitive("xsd:string", result.error().message()), false}}};
}

Reply removal_reply(const Machine& machine, const Result<>& result) {
  if (result.ok()) return {};
  if (result.error().code() == ErrorCode::unavailable) {
    return file_fault("FileLocked", machine.record(), 0, result.error().message());
  }
  return reply_of(machine, result);
}

Value to_disk_change_info(const AreaPage& page) {
  Value info = object("DiskChangeInfo");
  info.set("startOffset", static_cast<std::int64_t>(page.start))
      .set("length", static_cast<std::int64_t>(page.length));
  Value areas = array_of("DiskChangeExtent");
  for (const Area& area : page.areas) {
    areas.add(object("DiskChangeExtent")
                  .set("start", static_cast<std::int64_t>(area.start))
                  .set("length", static_cast<std::int64_t>(area.length)));
  }
  return info.set("changedArea", std::move(areas));
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

VimAnswer VimMachineMethods::start_on(const std::shared_ptr<Machine>& machine, const char* method,
                                      Work work) {
  const MachineRecord record = machine->record();
  return to_value(tasks_.start(method, {"VirtualMachine", record.id()}, record.name,
                               [machine, work = std::move(work)] { return work(*machine); }));
}

VimAnswer VimMachineMethods::start(const VimCall& call, const char* method, Work work) {
  const auto machine = host_.find(call.self.id);
  if (!machine) return managed_object_not_found(call.self);
  return start_on(machine, method, std::move(work));
}

VimAnswer VimMachineMethods::reconfigure(const VimCall& call) {
  const pugi::xml_node spec = child(call.body, "spec");
  for (const pugi::xml_node& wish : spec.children()) {
    const std::string name = wish.name();
    if (wish.type() == pugi::node_element && !name.ends_with("changeTrackingEnabled")) {
      return Fault{"NotSupported", "This host cannot change '" + name + "' of a virtual machine.", {}};
    }
  }
  if (!child(spec, "changeTrackingEnabled"))
    return start(call, "VirtualMachine.reconfigure", [](Machine&) { return Reply(); });
  const bool enabled = child_flag(spec, "changeTrackingEnabled");
  return start(call, "VirtualMachine.reconfigure", [enabled](Machine& machine) {
    return reply_of(machine, machine.set_change_tracking(enabled));
  });
}

VimAnswer VimMachineMethods::power_on(const VimCall& call) {
  return start(call, "VirtualMachine.powerOn", [](Machine& machine) -> Reply {
    if (machine.record().power == PowerState::on)
      return invalid_power_state(machine.record(), PowerState::off);
    return reply_of(machine, machine.power_on());
  });
}

VimAnswer VimMachineMethods::power_off(const VimCall& call) {
  return start(call, "VirtualMachine.powerOff", [](Machine& machine) -> Reply {
    if (machine.record().power == PowerState::off)
      return invalid_power_state(machine.record(), PowerState::on);
    return reply_of(machine, machine.power_off());
  });
}

VimAnswer VimMachineMethods::suspend(const VimCall& call) {
  return start(call, "VirtualMachine.suspend", [](Machine& machine) -> Reply {
    if (machine.record().power != PowerState::on)
      return invalid_power_state(machine.record(), PowerState::on);
    return reply_of(machine, machine.suspend());
  });
}

// The guests have no VMware Tools; ACPI's power button does the same.
VimAnswer VimMachineMethods::shut_down_guest(const VimCall& call) {
  const auto machine = host_.find(call.self.id);
  if (!machine) return managed_object_not_found(call.self);
  if (machine->record().power != PowerState::on)
    return invalid_power_state(machine->record(), PowerState::on);
  return reply_of(*machine, machine->press_power_button());
}

VimAnswer VimMachineMethods::create_snapshot(const VimCall& call) {
  Machine::SnapshotRequest request{child_text(call.body, "name"), child_text(call.body, "description"),
                                   child_flag(call.body, "quiesce")};
  return start(call, "VirtualMachine.createSnapshot", [this, request](Machine& machine) -> Reply {
    if (request.quiesce && trouble_.refuses_quiesce() && machine.record().power == PowerState::on) {
      return Fault{
          "ApplicationQuiesceFault",
          "An error occurred while quiescing the virtual machine. See the virtual machine's event log for "
          "details.",
          {}};
    }
    const auto number = machine.create_snapshot(request);
    if (!number.ok()) return reply_of(machine, number.error());
    return to_value(snapshot_reference(machine.record(), *number));
  });
}

VimAnswer VimMachineMethods::remove_snapshot(const VimCall& call) {
  const auto name = parse_snapshot_id(call.self.id);
  const auto machine = name ? host_.find(name->machine_id) : nullptr;
  if (!machine || machine->record().find_snapshot(name->number) == nullptr)
    return managed_object_not_found(call.self);
  const bool with_children = child_flag(call.body, "removeChildren");
  return start_on(machine, "VirtualMachineSnapshot.remove",
                  [this, with_children, self = call.self, number = name->number](Machine& at) -> Reply {
                    if (at.record().find_snapshot(number) == nullptr) return managed_object_not_found(self);
                    const auto merge =
                        trouble_.fails_snapshot_removal() ? Machine::Merge::fail : Machine::Merge::now;
                    return removal_reply(at, at.remove_snapshot(number, with_children, merge));
                  });
}

VimAnswer VimMachineMethods::remove_all_snapshots(const VimCall& call) {
  return start(call, "VirtualMachine.removeAllSnapshots", [this](Machine& machine) {
    const auto merge = trouble_.fails_snapshot_removal() ? Machine::Merge::fail : Machine::Merge::now;
    return removal_reply(machine, machine.remove_all_snapshots(merge));
  });
}

VimAnswer VimMachineMethods::consolidate(const VimCall& call) {
  return start(call, "VirtualMachine.consolidateDisks",
               [](Machine& machine) { return reply_of(machine, machine.consolidate()); });
}

VimAnswer VimMachineMethods::changed_areas(const VimCall& call) {
  const auto machine = host_.find(call.self.id);
  if (!machine) return managed_object_not_found(call.self);
  const MachineRecord record = machine->record();
  const Reference snapshot = reference_of(child(call.body, "snapshot"));
  const auto name = parse_snapshot_id(snapshot.id);
  if (!snapshot.id.empty() && (!name || name->machine_id != call.self.id))
    return managed_object_not_found(snapshot);
  const auto key = number_of(child_text(call.body, "deviceKey"));
  const DiskRecord* disk = key ? record.find_disk(static_cast<int>(*key)) : nullptr;
  if (disk == nullptr) return invalid_argument("deviceKey");
  const auto offset = number_of(child_text(call.body, "startOffset"));
  if (!offset || *offset >= disk->capacity_bytes) return invalid_argument("startOffset");
  const auto areas = machine->changed_areas(snapshot.id.empty() ? 0 : name->number, disk->key,
                                            child_text(call.body, "changeId"));
  if (areas.ok())
    return to_disk_change_info(page_of(*areas, *offset, disk->capacity_bytes, areas_per_reply_));
  if (areas.error().code() == ErrorCode::not_found) return managed_object_not_found(snapshot);
  if (areas.error().code() == ErrorCode::invalid_argument) return invalid_argument("changeId");
  return file_fault("FileFault", record, disk->unit(), areas.error().message());
}

VimAnswer VimMachineMethods::unregister(const VimCall& call) {
  const auto machine = host_.find(call.self.id);
  if (!machine) return managed_object_not_found(call.self);
  if (machine->record().power != PowerState::off)
    return invalid_power_state(machine->record(), PowerState::off);
  return reply_of(*machine, host_.remove(call.self.id, false));
}

VimAnswer VimMachineMethods::destroy(const VimCall& call) {
  return start(call, "ManagedEntity.destroy", [this, id = call.self.id](Machine& machine) -> Reply {
    if (machine.record().power != PowerState::off)
      return invalid_power_state(machine.record(), PowerState::off);
    return reply_of(machine, host_.remove(id, true));
  });
}

}  // namespace rekindle::sandbox
