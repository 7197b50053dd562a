// Disk files while no guest runs on them, by QEMU's tools; and what is in the flat ones.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/datacenter/areas.h"

namespace rekindle::sandbox {

Result<> make_delta(const std::filesystem::path& path, const std::filesystem::path& below,
                    bool below_is_flat);
// Writes what the delta holds into the layer below it. The delta stays.
Result<> merge_delta(const std::filesystem::path& path, const std::filesystem::path& below,
                     bool below_is_flat);
// What the delta holds, also while a VM has it open.
Result<Areas> areas_of_delta(const std::filesystem::path& path);
// What is not a hole of the file.
Result<Areas> allocated_areas(const std::filesystem::path& flat);
// What is set in a bitmap that QEMU exports over NBD.
Result<Areas> dirty_areas(const std::filesystem::path& socket, const std::string& export_name,
                          const std::string& bitmap);
// The variables of a UEFI firmware that has started nothing yet.
constexpr auto ovmf_variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
// A copy that keeps holes.
Result<> copy_sparse(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace rekindle::sandbox
