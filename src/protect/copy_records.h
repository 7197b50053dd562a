// The records that replication reads and writes: points, copies, and what of the ledger is theirs.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "jobs/dr_copies.h"
#include "site/recovery_target.h"

namespace rekindle {

Tags tags_of(const Job& job, const DrCopy& copy, const std::string& token);
LedgerEntry entry_of(const DrCopy& copy, ResourceKind kind, const std::string& token);

// The newest point of the machine, or the one that is asked for. `failed_precondition` where there is none,
// `not_found` for an unknown one.
Result<RecoveryPoint> chosen_point(Catalog& catalog, const std::string& machine, const std::string& wanted);
// The copy that this replicate job makes of the point; without images yet.
DrCopy copy_to_make(const Job& job, const RecoveryPoint& point, const DrPlan& plan);

// What a replicate job says of itself: the tokens of what it makes, the copy it makes, and the one that is
// being replaced, or, with "aside", only built upon, if there is one.
std::string token_of(const Job& job, std::string_view what, std::size_t disk);
std::string template_token(const Job& job);
std::string image_token(const Job& job, std::size_t disk);
DrCopy copy_of(const Job& job);
std::optional<DrCopy> old_copy_of(const Job& job);
// Of old_copy_of() the disks whose images become parents: without those that begin anew.
std::optional<DrCopy> base_copy_of(const Job& job);
// The disk's new image gets no parent, and a token of its own.
void begin_anew(Job& job, const DiskId& disk);
// The image of `base` that the new image of this disk of `copy` is a child of. A disk that is new, grew or
// shrank starts anew.
std::optional<ImageId> parent_of(const DrCopy& copy, std::size_t position, const std::optional<DrCopy>& base);
// Every disk of copy_of() that has no parent in base_copy_of() begins anew: job.data["anew"] has all that a
// job with an old copy writes whole, and what it wrote is told from an update by it.
void begin_parentless_anew(Job& job);

// How the plan wants images without a parent; and whether the copy was made so.
ImageEncryption encryption_of(const DrPlan& plan);
bool is_encrypted_as(const DrCopy& copy, const DrPlan& plan);

// Which jobs made what the copy uses: its images one, its template perhaps a later one. In the order in which
// they are to be swept: templates go before their images.
Result<std::vector<JobId>> makers_of(Catalog& catalog, const DrCopy& copy);

// The ids of the copies that plan failovers which are not finished start from, now or after an approval:
// nobody removes those.
Result<std::set<std::string>> wanted_copies(Catalog& catalog);

// The template of a listed copy. All else stays as the catalog has it, where a verification may have noted
// something meanwhile.
Result<> put_template(Catalog& catalog, const DrCopy& copy);

// An AMI that somebody deregistered behind our back: the copy has none any more, and is registered anew. One
// that was registered a moment ago may only be listed late, and stays.
Result<> drop_lost_template(Catalog& catalog, RecoveryTarget& site, Clock& clock, DrCopy& copy);

// Copies aside that no failover came back for within a day, and retired ones whose job ended before it forgot
// them.
Result<> forget_stale_copies(Catalog& catalog, const std::string& machine, Time now);

}  // namespace rekindle
