// The machines that VsphereSite makes, writes and removes.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/curl_transport.h"
#include "net/url.h"
#include "site/refusal.h"
#include "vmware/disk_command.h"
#include "vmware/machine_config.h"
#include "vmware/snapshot_tree.h"
#include "vmware/vm_config_spec.h"
#include "vmware/vsphere_site.h"

namespace rekindle {

namespace {

std::vector<std::string> with_token(std::vector<std::string> properties) {
  properties.emplace_back("config.extraConfig");
  return properties;
}

// Names are unique within a folder. The machine that was made by an earlier call is no obstacle.
Result<> check_name_is_free(VimSession& session, const ManagedObject& folder, const NewMachine& wanted) {
  const auto objects = TRY(read_all(session, "VirtualMachine", with_token({"name", "parent"})));
  for (const ObjectProperties& vm : objects) {
    const bool is_it = !wanted.token.empty() && token_of(vm) == wanted.token;
    if (vm.text("name") != wanted.machine.name || is_it) continue;
    if (vm.get("parent") && read_reference(vm.get("parent")) != folder) continue;
    return error(
        ErrorCode::failed_precondition,
        "there is a machine '{}' in the datacenter: rename or remove it, or give the new one another name",
        wanted.machine.name);
  }
  return {};
}

std::string with_colons(const std::string& hexadecimal) {
  std::string text;
  for (std::size_t i = 0; i < hexadecimal.size(); ++i) {
    if (i > 0 && i % 2 == 0) text += ':';
    const char c = hexadecimal[i];
    text += c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  }
  return text;
}

// The certificate that is pinned must be the one that is asked: SHA-1 alone proves nothing.
Result<std::string> sha1_of(const Url& url, const std::string& pinned) {
  const Thumbprints shown = TRY(fetch_thumbprints(url.host, url.port));
  std::string wanted;
  std::ranges::copy_if(pinned, std::back_inserter(wanted), [](char c) { return c != ':'; });
  const bool same = std::ranges::equal(wanted, shown.sha256, {}, [](char c) { return std::tolower(c); });
  if (same) return with_colons(shown.sha1);
  return error(ErrorCode::failed_precondition,
               "{} shows another certificate than the one that was registered: register the new one with "
               "'rekindle datacenter add --thumbprint'",
               url.host);
}

// A host that is older than the one where the machine was.
bool refuses_version(const TaskOutcome& outcome, const NewMachine& wanted) {
  if (outcome.succeeded || wanted.machine.hardware_version.empty()) return false;
  const VimFault& fault = outcome.fault;
  return fault.type == "VirtualHardwareVersionNotSupported" ||
         (fault.type == "InvalidArgument" && fault.detail.ends_with("version"));
}

NewMachine of_the_hosts_version(NewMachine wanted) {
  log::warn("the datacenter does not know the hardware version {} that '{}' had: it gets the host's newest",
            wanted.machine.hardware_version, wanted.machine.name);
  wanted.machine.hardware_version.clear();
  return wanted;
}

}  // namespace

struct VsphereSite::WritableDisk {
  ManagedObject vm;
  VirtualDisk disk;
};

Result<> VsphereSite::check_disk_command() const {
  if (!options_.disk_command.empty()) return {};
  return error(
      ErrorCode::failed_precondition,
      "this datacenter has no way to write disks: register it again with 'rekindle datacenter add ... "
      "--disk-command' (docs/writing-disks.md)");
}

Result<> VsphereSite::check_datastores(const ObjectProperties& vm) {
  for (const XmlElement& reference : vm.get("datastore").children("ManagedObjectReference")) {
    const ObjectProperties datastore =
        TRY(read_properties(*session_, read_reference(reference), {"name", "summary.accessible"}));
    if (datastore.text("summary.accessible") != "false") continue;
    return error(ErrorCode::failed_precondition,
                 "the datastore '{}', which the machine '{}' uses, cannot be reached: see to it in vSphere",
                 datastore.text("name"), vm.text("name"));
  }
  return {};
}

Result<> VsphereSite::check_writable(const MachineId& id) {
  TRY(check_disk_command());
  const ManagedObject vm = TRY(locate(id));
  std::vector<std::string> wanted = machine_properties();
  wanted.insert(wanted.end(), {"snapshot", "datastore", "runtime.question"});
  const ObjectProperties properties = TRY(read_properties(*session_, vm, wanted));
  const Machine machine = read_machine(properties, vm);
  if (!machine.refused_because.empty()) {
    return error(ErrorCode::failed_precondition, "the machine '{}' cannot be written: {}", machine.name,
                 machine.refused_because);
  }
  TRY(check_nothing_is_asked(properties));
  if (const auto snapshots = read_snapshot_tree(properties.get("snapshot")); !snapshots.empty()) {
    return error(
        ErrorCode::failed_precondition,
        "the machine '{}' has snapshots, so that its disks cannot be written: remove '{}' in vSphere",
        machine.name, snapshots.front().name);
  }
  return check_datastores(properties);
}

Result<> VsphereSite::check_new_machine(const NewMachine& wanted) {
  TRY(check_disk_command());
  TRY(check_hardware(wanted.machine));
  const Placement placement = TRY(choose_placement(*session_, wanted));
  return check_name_is_free(*session_, placement.folder, wanted);
}

Result<std::optional<MachineId>> VsphereSite::find_machine(const std::string& token) {
  const auto objects = TRY(read_all(*session_, "VirtualMachine", with_token(identity_properties())),
                           "looking for the machine made as {}", token);
  std::optional<MachineId> found;
  for (const ObjectProperties& vm : objects) {
    if (token.empty() || token_of(vm) != token) continue;
    if (found) {  // a clone carries it, too
      return error(
          ErrorCode::failed_precondition,
          "two machines carry the mark {}: remove 'rekindle.token' from the advanced configuration of "
          "the one that is a copy",
          token);
    }
    found = machine_id(vm, vm.object());
  }
  return found;
}

Result<MachineId> VsphereSite::create_machine(const NewMachine& wanted) {
  CHECK(!wanted.token.empty());
  const MachineId id = TRY(find_or_make(wanted));
  TRY(after_making(give_firmware_variables(id, wanted)));
  return id;
}

Result<MachineId> VsphereSite::find_or_make(const NewMachine& wanted) {
  const auto earlier = TRY(find_machine(wanted.token));
  if (earlier) return *earlier;
  TRY(check_hardware(wanted.machine));
  const Placement placement = TRY(choose_placement(*session_, wanted), "placing '{}'", wanted.machine.name);
  return TRY(make_machine(wanted, placement), "making the machine '{}'", wanted.machine.name);
}

// A folder's other tasks, such as the copying of a large machine, may take hours.
Result<> VsphereSite::wait_for_new_machines(const ManagedObject& folder) {
  const ObjectProperties properties = TRY(read_properties(*session_, folder, {"recentTask"}));
  for (const XmlElement& reference : properties.get("recentTask").children("ManagedObjectReference")) {
    const ManagedObject task = read_reference(reference);
    const auto info = read_properties(*session_, task, {"info.descriptionId"});
    const bool forgotten = !info.ok() && info.error().code() == ErrorCode::not_found;
    if (forgotten || (info.ok() && info->text("info.descriptionId") != "Folder.createVm")) continue;
    if (!info.ok()) return info.error();
    const auto outcome = wait_for_task(*session_, task, options_.stop);
    if (!outcome.ok() && outcome.error().code() != ErrorCode::not_found) return outcome.error();
  }
  return {};
}

// As with snapshots: when the answer was lost the machine may be there, or be about to be.
Result<MachineId> VsphereSite::make_machine(const NewMachine& wanted, const Placement& placement) {
  const VimCall call{.self = placement.folder,
                     .method = "CreateVM_Task",
                     .arguments = vm_config_spec(wanted, placement) + xml_reference("pool", placement.pool) +
                                  xml_reference("host", placement.host),
                     .stop = options_.stop};
  bool tried = false;
  return with_retries(options_.busy_retry, clock_, random_, options_.stop, [&]() -> Result<MachineId> {
    if (std::exchange(tried, true)) {
      TRY(after_making(wait_for_new_machines(placement.folder)));
      const auto made = TRY(after_making(find_machine(wanted.token)));
      if (made) return *made;
    }
    const VimReply started = TRY(session_->call_once(call));
    const TaskOutcome outcome =
        TRY(after_making(wait_for_task(*session_, read_reference(started.value()), options_.stop)));
    if (refuses_version(outcome, wanted)) return make_machine(of_the_hosts_version(wanted), placement);
    if (!outcome.succeeded) return to_error(outcome.fault);
    const ObjectProperties identity =
        TRY(after_making(read_properties(*session_, outcome.result, identity_properties())));
    return machine_id(identity, outcome.result);
  });
}

Result<> VsphereSite::remove_machine(const MachineId& id) {
  const auto vm = locate(id);
  if (!vm.ok() && vm.error().code() == ErrorCode::not_found) return {};
  if (!vm.ok()) return vm.error();
  const ObjectProperties properties = TRY(read_properties(*session_, *vm, with_token({"name"})));
  if (token_of(properties).empty()) {
    return error(ErrorCode::failed_precondition,
                 "the machine '{}' was not made by Rekindle: remove it yourself, if it is to go",
                 properties.text("name"));
  }
  TRY(power_off(id), "removing the machine '{}'", properties.text("name"));
  // Not stopped by options_.stop: what is to go must not stay behind.
  const auto removed = start_and_finish({.self = *vm, .method = "Destroy_Task"}, {});
  if (removed.ok() || removed.error().code() == ErrorCode::not_found) return {};
  return Error(removed.error()).context("removing the machine '{}'", properties.text("name"));
}

Result<VsphereSite::WritableDisk> VsphereSite::find_writable_disk(const MachineId& id, const DiskId& disk) {
  const ManagedObject vm = TRY(locate(id));
  TRY(consolidate_if_needed(vm));
  const ObjectProperties properties = TRY(read_properties(*session_, vm, machine_properties()));
  const Machine machine = read_machine(properties, vm);
  if (machine.power != PowerState::off) {
    return error(ErrorCode::failed_precondition,
                 "the machine '{}' is not off: its disks can be written only while it is", machine.name);
  }
  const auto snapshots = TRY(list_snapshots(*session_, vm));
  if (!snapshots.empty()) {
    return error(ErrorCode::failed_precondition,
                 "the machine '{}' has the snapshot '{}': delete its snapshots before its disks are written",
                 machine.name, snapshots.front().name);
  }
  for (VirtualDisk& found : read_disks(properties)) {
    if (found.spec.id != disk) continue;
    if (found.spec.excluded_because.empty()) return WritableDisk{vm, std::move(found)};
    return error(ErrorCode::failed_precondition, "disk '{}' of the machine '{}' is not written: {}",
                 found.spec.name, machine.name, found.spec.excluded_because);
  }
  return error(ErrorCode::not_found, "the machine '{}' has no disk {}", machine.name, disk);
}

Result<std::unique_ptr<BlockTarget>> VsphereSite::open_disk_to_write(const MachineId& id,
                                                                     const DiskId& disk) {
  TRY(check_disk_command());
  const WritableDisk found = TRY(find_writable_disk(id, disk));
  const Url url = TRY(parse_url(session_->origin()));
  const DiskAddress address{url.host,
                            url.port,
                            options_.user,
                            options_.password,
                            options_.thumbprint,
                            found.vm.value,
                            found.disk.file_name,
                            found.disk.spec.size_bytes};
  DiskCommandOptions command;
  command.command = options_.disk_command;
  command.thumbprint_sha1 = [&] { return sha1_of(url, options_.thumbprint); };
  command.stop = options_.stop;
  return TRY(open_by_command(address, command), "opening disk '{}' of machine {} to write it",
             found.disk.spec.name, id);
}

}  // namespace rekindle
