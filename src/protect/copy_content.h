// What the images of a DR copy must hold: the recovery point and, where it is converted ahead, the blocks
// that conversion changes, over it; and where that differs from the copy that is being replaced.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/dr_plan.h"
#include "prepare/machine_conversion.h"
#include "vault/vault.h"

namespace rekindle {

class CopyContent {
 public:
  // `copy` names recovery point and disks; `old_copy` those that it is made on top of. `vault` outlives this.
  CopyContent(Vault& vault, DrCopy copy, std::optional<DrCopy> old_copy);

  // Converts the boot disk as the recovery point has it: what open_disk() and differing() give from then on.
  // Errors as of convert_machine().
  Result<> convert();
  const MachineConversion& conversion() const { return *conversion_; }

  Result<std::unique_ptr<BlockSource>> open_disk(std::size_t position) const;
  // The image of the old copy that the disk's new image is a child of (protect/copy_records.h).
  std::optional<ImageId> parent_of(std::size_t position) const;
  // The blocks of 512 KiB that must be put, ascending: those that differ from the parent; without a parent
  // those that are not zero, or, if zeros_must_be_put, all.
  Result<std::vector<std::uint64_t>> differing(std::size_t position, bool zeros_must_be_put) const;

 private:
  Result<std::vector<std::uint64_t>> differing_from_parent(std::size_t position) const;

  Vault& vault_;
  const DrCopy copy_;
  const std::optional<DrCopy> old_copy_;
  std::optional<MachineConversion> conversion_;
};

}  // namespace rekindle
