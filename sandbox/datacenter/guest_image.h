// Guests as sandbox/guests/build leaves them, and their saved states.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "sandbox/datacenter/machine_record.h"

namespace rekindle::sandbox {

// A disk of a guest, or of its saved state: "disk.raw", "disk1.raw", ... by the unit of its controller.
std::filesystem::path guest_disk(const std::filesystem::path& directory, int unit);

// The hardware that guest.json describes, with its "disks" (1 if it does not say), each as big as its file.
Result<MachineRecord> read_guest(const std::filesystem::path& guest_directory);

// A guest that ran, was suspended and can be resumed by this QEMU on the hardware of `record`: a folder with
// its disks, memory, saved.json and (UEFI) nvram. None if it was not prepared.
std::optional<std::filesystem::path> find_saved_state(const std::filesystem::path& guest_directory,
                                                      const MachineRecord& record);

// Boots the guest once, waits until its service answers /ready, suspends it and keeps it in
// <guest_directory>/saved/. Returns at once when that was done before. Processes may call it at the same
// time.
Result<> prepare_saved_state(const std::filesystem::path& guest_directory);

}  // namespace rekindle::sandbox
