// The variables of a UEFI machine's firmware: read with a backup, and given to the machine that is made of
// it.
#include "base/log.h"
#include "vmware/machine_config.h"
#include "vmware/nvram.h"
#include "vmware/vm_config_spec.h"
#include "vmware/vsphere_site.h"

namespace rekindle {

Result<Bytes> VsphereSite::firmware_variables(const MachineId& id) {
  const ManagedObject vm = TRY(locate(id));
  const ObjectProperties properties = TRY(read_properties(*session_, vm, nvram_properties()));
  if (properties.text("config.firmware") != "efi") return Bytes();
  const DatastorePath path = TRY(nvram_path(properties));
  const std::string datacenter = TRY(datacenter_path(vm, path.datastore));
  return download_nvram(*session_, download_url(session_->origin(), datacenter, path), path);
}

// Also to a machine that an earlier call made: it may have been killed before it came to this. What may work
// at the next attempt is an error.
Result<> VsphereSite::give_firmware_variables(const MachineId& id, const NewMachine& wanted) {
  if (wanted.machine.firmware != Firmware::uefi || wanted.firmware_variables.empty()) return {};
  const Result<> written = write_nvram(id, wanted.firmware_variables);
  if (written.ok()) return {};
  const Error& why = written.error();
  if (why.transient() || why.code() == ErrorCode::cancelled)
    return Error(why).context("giving the variables of UEFI to '{}'", wanted.machine.name);
  // It runs, and has variables by now; or else its firmware makes new ones.
  const bool runs_already = why.code() == ErrorCode::failed_precondition;
  log::warn(
      "the variables of UEFI could not be given to the new VM '{}'{}: {}", wanted.machine.name,
      runs_already ? "" : ", so that it starts from the boot loader's fallback path, EFI/BOOT/BOOTX64.EFI",
      why.message());
  return {};
}

Result<> VsphereSite::write_nvram(const MachineId& id, ByteView content) {
  const ManagedObject vm = TRY(locate(id));
  const ObjectProperties properties = TRY(read_properties(*session_, vm, nvram_properties()));
  if (read_power_state(properties.text("runtime.powerState")) != PowerState::off) {
    return error(ErrorCode::failed_precondition, "the machine '{}' was switched on meanwhile",
                 properties.text("name"));
  }
  const NvramToBe file = TRY(nvram_to_be(properties));
  const std::string datacenter = TRY(datacenter_path(vm, file.path.datastore));
  TRY(upload_nvram(*session_, download_url(session_->origin(), datacenter, file.path), file.path, content));
  if (file.name_to_set.empty()) return {};
  return start_and_finish(
      {.self = vm,
       .method = "ReconfigVM_Task",
       .arguments = "<spec>" + extra_config_option("nvram", file.name_to_set) + "</spec>"},
      options_.stop);
}

}  // namespace rekindle
