// DR copies that are not what their recovery points say: on record from the verification that found it until
// a copy takes their place whose disks were made anew.
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.h"

namespace rekindle {

// Notes on the copy, as the catalog has it now, what was found of its disks, in place of what was known of
// the same ones; returns it. `not_found` where the copy is gone.
Result<DrCopy> record_damage(Catalog& catalog, const std::string& copy_id,
                             const std::vector<CopyDamage>& found);

// The replicate job writes the damaged disks whole, on top of nothing.
void make_damaged_anew(Job& job, const DrCopy& old_copy);

// What is damaged in the copy that the job's own is made on top of, by now, of the disks that have their
// parents there: found while the job was at work, the new copy has it from there. Not of those that were
// written whole or are the machine's no more.
Result<std::vector<CopyDamage>> inherited_damage(Catalog& catalog, const Job& job);

}  // namespace rekindle
