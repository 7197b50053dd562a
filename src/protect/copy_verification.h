// The proof that DR copies hold what they should: a new one before it is used, the current one at any time.
// What is found to be damaged is noted on the copy (copy_damage.h); nothing else is changed by it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/random.h"
#include "catalog/catalog.h"
#include "jobs/job_runner.h"
#include "protect/copy_content.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

// Of the copy that a replicate job has just written, one disk: what was written and a sample of the others,
// or every block where the plan wants it. `corrupt` names the first that differs. What the new copy has from
// the old one, where it is wrong already, is noted on that.
Result<> verify_new_disk(StepContext& context, RecoveryTarget& site, const CopyContent& wanted,
                         std::size_t position);

// Some dozen numbers below `count` at random, ascending, each once; all of them where there are no more.
std::vector<std::uint64_t> random_sample(std::uint64_t count, Random& random);

// What a verification works with; all outlive it.
struct VerificationPlace {
  Catalog& catalog;
  Sites& sites;
  Vaults& vaults;
  Random& random;
  Clock& clock;
};

struct CopyToVerify {
  std::string plan;
  std::string machine;
  bool all =
      false;  // every block that holds data in the copy or in its recovery point; else a sample of them
};

struct DiskVerification {
  DiskId disk_id;
  ImageId image_id;
  std::uint64_t blocks_compared = 0;
  std::vector<std::uint64_t> differing;  // indexes of blocks of 512 KiB, ascending
};

struct CopyVerification {
  DrCopy copy;                          // with what was noted of it
  std::vector<DiskVerification> disks;  // in the copy's order

  std::uint64_t blocks_compared() const;
  std::uint64_t blocks_differing() const;
};

// Reads the machine's current DR copy back and compares it with its recovery point and, where it was
// converted ahead, with what was recorded of the converted blocks (all of them, whatever is sampled). That
// blocks differ is no error of this call; it is noted on the copy. Safe beside a replication, which may
// retire the copy meanwhile: what is then found is `unavailable`, for another copy is the current one. Other
// errors: `failed_precondition` where there is no copy, `not_found` where its recovery point or an image of
// it is gone, `cancelled`, and those of catalog, site and vault.
Result<CopyVerification> verify_current_copy(VerificationPlace place, const CopyToVerify& wanted,
                                             Progress& progress, std::stop_token stop);

// `corrupt` where blocks differ: names the machine, the disk and the first of them, and the way out.
Result<> outcome(const CopyVerification& verification);

}  // namespace rekindle
