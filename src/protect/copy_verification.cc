#include "protect/copy_verification.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "jobs/dr_copies.h"
#include "protect/copy_damage.h"
#include "protect/copy_records.h"
#include "protect/image_copy.h"

namespace rekindle {

namespace {

// Of blocks that nobody asks for one by one, how many are read back all the same: of a new copy, they prove
// the lineage.
constexpr std::size_t sampled_blocks = 32;

std::vector<std::uint64_t> first_blocks(std::uint64_t count) {
  std::vector<std::uint64_t> blocks(count);
  for (std::uint64_t i = 0; i < count; ++i) blocks[i] = i;
  return blocks;
}

}  // namespace

std::vector<std::uint64_t> random_sample(std::uint64_t count, Random& random) {
  if (count <= sampled_blocks) return first_blocks(count);
  std::set<std::uint64_t> chosen;
  while (chosen.size() < sampled_blocks) chosen.insert(random.below(count));
  return {chosen.begin(), chosen.end()};
}

namespace {

// Of the blocks that differ in a new image, those that it has from the old copy's, where they are wrong, too.
// Noted there, or every copy that is made on top of it would be thrown away.
Result<bool> blame_parent(StepContext& context, RecoveryTarget& site, const CopyContent& wanted,
                          std::size_t position, const std::vector<std::uint64_t>& differing) {
  const auto parent = wanted.parent_of(position);
  if (!parent) return false;
  const auto written = TRY(wanted.differing(position, false));
  std::vector<std::uint64_t> inherited;
  std::ranges::set_difference(differing, written, std::back_inserter(inherited));
  const auto source = TRY(wanted.open_disk(position));
  const auto image = TRY(site.open_image(*parent), "opening the image {} of the old copy", *parent);
  Progress progress;
  const auto wrong = TRY(differing_blocks(*source, *image, inherited, progress, context.stop));
  if (wrong.empty()) return false;
  const DiskId disk = copy_of(context.job).disks[position].disk_id;
  TRY(record_damage(context.catalog, text(context.job.data.at("old_copy"), "id"),
                    {{disk, wrong.front(), wrong.size(), context.clock.now()}}));
  return true;
}

}  // namespace

Result<> verify_new_disk(StepContext& context, RecoveryTarget& site, const CopyContent& wanted,
                         std::size_t position) {
  const DrCopyDisk disk = copy_of(context.job).disks[position];
  const auto source = TRY(wanted.open_disk(position));
  const Image state = TRY(site.image(disk.image_id));
  const auto image = TRY(site.open_image(disk.image_id));
  const std::uint64_t all = (disk.size_bytes + image_block_bytes - 1) / image_block_bytes;
  std::vector<std::uint64_t> blocks;
  if (context.job.data.value("verify_all", false)) {
    blocks = first_blocks(all);
  } else {
    const auto written = TRY(wanted.differing(position, state.zeros_must_be_put));
    // Random others: those that the image has from its parent, or that must be zeros.
    const auto others = random_sample(all, context.random);
    std::ranges::set_union(written, others, std::back_inserter(blocks));
  }
  context.progress.bytes_total += blocks.size() * image_block_bytes;
  const auto differing = TRY(differing_blocks(*source, *image, blocks, context.progress, context.stop));
  if (differing.empty()) return {};
  const bool has_it_from_parent = TRY(blame_parent(context, site, wanted, position, differing));
  return error(ErrorCode::corrupt,
               "block {} of the new DR copy is not what was written; it is thrown away, the old copy stays{}",
               differing.front(),
               has_it_from_parent ? ", and is damaged, too: the next replication makes this disk anew" : "");
}

std::uint64_t CopyVerification::blocks_compared() const {
  std::uint64_t blocks = 0;
  for (const DiskVerification& disk : disks) blocks += disk.blocks_compared;
  return blocks;
}

std::uint64_t CopyVerification::blocks_differing() const {
  std::uint64_t blocks = 0;
  for (const DiskVerification& disk : disks) blocks += disk.differing.size();
  return blocks;
}

namespace {

class Verification {
 public:
  Verification(VerificationPlace place, DrCopy copy, bool all, Progress& progress, std::stop_token stop)
      : place_(place), copy_(std::move(copy)), all_(all), progress_(progress), stop_(std::move(stop)) {}

  Result<CopyVerification> verify();

 private:
  Result<Vault*> open_vault();
  Result<> check_image(const DrCopyDisk& disk);
  std::vector<ConvertedBlock> overlay(std::size_t position) const;
  Result<std::vector<std::uint64_t>> blocks_to_compare(BlockSource& source, BlockSource& image,
                                                       const std::vector<ConvertedBlock>& overlay);
  Result<DiskVerification> verify_disk(Vault& vault, std::size_t position);

  VerificationPlace place_;
  const DrCopy copy_;
  const bool all_;
  Progress& progress_;
  const std::stop_token stop_;
  RecoveryTarget* site_ = nullptr;
};

Error point_is_gone(const DrCopy& copy) {
  return error(ErrorCode::not_found,
               "its recovery point {} is no longer in the vault: there is nothing to compare it with; "
               "'rekindle backup run {}' and then 'rekindle replicate run {}' make a copy of a new one",
               copy.recovery_point_id, copy.machine, copy.plan);
}

// The vault that holds the copy's recovery point, which is there.
Result<Vault*> Verification::open_vault() {
  const auto point = place_.catalog.get<RecoveryPoint>(copy_.recovery_point_id.str());
  if (!point.ok() && point.error().code() == ErrorCode::not_found) return point_is_gone(copy_);
  if (!point.ok()) return point.error();
  Vault* vault = TRY(place_.vaults.vault(point->vault), "opening the vault {}, which holds recovery point {}",
                     point->vault, point->id);
  const auto stored = vault->get(point->id);
  if (!stored.ok() && stored.error().code() == ErrorCode::not_found) return point_is_gone(copy_);
  if (!stored.ok()) {
    Error why = stored.error();
    return std::move(why).context("reading recovery point {} in the vault {}", point->id, point->vault);
  }
  return vault;
}

// A replication writes a disk whole again whose image is not there.
Result<> Verification::check_image(const DrCopyDisk& disk) {
  const auto image = site_->image(disk.image_id);
  if (!image.ok() && image.error().code() != ErrorCode::not_found) return image.error();
  if (image.ok() && image->state == ImageState::complete) return {};
  return error(ErrorCode::not_found,
               "its image {} is {} in the account {}; 'rekindle replicate run {}' makes it again",
               disk.image_id, image.ok() ? "not complete" : "not there any more", copy_.account, copy_.plan);
}

std::vector<ConvertedBlock> Verification::overlay(std::size_t position) const {
  return position == 0 ? copy_.overlay : std::vector<ConvertedBlock>();
}

// Of the recovery point's content. What holds data in neither is zeros in both.
Result<std::vector<std::uint64_t>> Verification::blocks_to_compare(
    BlockSource& source, BlockSource& image, const std::vector<ConvertedBlock>& overlay) {
  const Extents wanted = TRY(source.data_extents({0, source.size()}));
  const Extents stored = TRY(image.data_extents({0, image.size()}));
  std::vector<std::uint64_t> blocks = blocks_of(unite(wanted, stored));
  std::set<std::uint64_t> converted;
  for (const ConvertedBlock& block : overlay) converted.insert(block.index);
  std::erase_if(blocks, [&](std::uint64_t index) { return converted.contains(index); });
  if (all_) return blocks;
  std::vector<std::uint64_t> sample;
  for (const std::uint64_t chosen : random_sample(blocks.size(), place_.random))
    sample.push_back(blocks[chosen]);
  return sample;
}

Result<DiskVerification> Verification::verify_disk(Vault& vault, std::size_t position) {
  const DrCopyDisk& disk = copy_.disks[position];
  TRY(check_image(disk));
  const auto source = TRY(vault.open_disk(copy_.recovery_point_id, disk.disk_id));
  const auto image = TRY(site_->open_image(disk.image_id), "opening the image {}", disk.image_id);
  const auto converted = overlay(position);
  const auto blocks = TRY(blocks_to_compare(*source, *image, converted));
  DiskVerification verified{disk.disk_id, disk.image_id, blocks.size() + converted.size(), {}};
  progress_.bytes_total += verified.blocks_compared * image_block_bytes;
  const auto differing = TRY(differing_blocks(*source, *image, blocks, progress_, stop_));
  const auto not_converted = TRY(differing_from_record(*image, converted, progress_, stop_));
  std::ranges::merge(differing, not_converted, std::back_inserter(verified.differing));
  return verified;
}

Result<CopyVerification> Verification::verify() {
  Vault* vault = TRY(open_vault());
  site_ = TRY(place_.sites.account(copy_.account));
  CopyVerification verified{copy_, {}};
  for (std::size_t i = 0; i < copy_.disks.size(); ++i)
    verified.disks.push_back(TRY(verify_disk(*vault, i), "disk {}", copy_.disks[i].disk_id));
  return verified;
}

// What was found wrong is of no meaning where the copy is not kept any more: its images go, one by one, while
// they are read.
Result<> refuse_retired(Catalog& catalog, const DrCopy& copy) {
  const auto now = catalog.get<DrCopy>(copy.id);
  if (!now.ok() && now.error().code() != ErrorCode::not_found) return now.error();
  if (now.ok() && (now->state == DrCopyState::current || now->state == DrCopyState::kept)) return {};
  const auto newer = TRY(current_copy(catalog, copy.plan, copy.machine));
  if (newer) {
    return error(ErrorCode::unavailable,
                 "a newer copy, {}, took its place while it was read; verify that one: run the command again "
                 "(with 'keep_copies: 2' in the plan, the copy that is read stays)",
                 newer->id);
  }
  return error(ErrorCode::unavailable,
               "it was removed while it was read; 'rekindle replicate run {}' makes a new one", copy.plan);
}

// As it is now: kept, where another one took its place while it was read.
Result<DrCopy> note_damage(VerificationPlace place, const CopyVerification& verified) {
  const Time now = place.clock.now();
  std::vector<CopyDamage> found;
  for (const DiskVerification& disk : verified.disks) {
    if (!disk.differing.empty())
      found.push_back({disk.disk_id, disk.differing.front(), disk.differing.size(), now});
  }
  DrCopy copy;
  TRY(place.catalog.transaction([&]() -> Result<> {
    TRY(refuse_retired(place.catalog, verified.copy));
    copy = TRY(record_damage(place.catalog, verified.copy.id, found));
    return {};
  }));
  return copy;
}

}  // namespace

Result<CopyVerification> verify_current_copy(VerificationPlace place, const CopyToVerify& wanted,
                                             Progress& progress, std::stop_token stop) {
  const auto copy = TRY(current_copy(place.catalog, wanted.plan, wanted.machine));
  if (!copy) {
    return error(ErrorCode::failed_precondition,
                 "{} has no DR copy of the plan {} to verify; make one with 'rekindle replicate run {}'",
                 wanted.machine, wanted.plan, wanted.plan);
  }
  auto verified = Verification(place, *copy, wanted.all, progress, std::move(stop)).verify();
  if (!verified.ok()) {
    if (verified.error().code() != ErrorCode::cancelled)
      TRY(refuse_retired(place.catalog, *copy), "verifying the DR copy {} of {}", copy->id, copy->machine);
    return std::move(verified).error().context("verifying the DR copy {} of {}", copy->id, copy->machine);
  }
  if (verified->blocks_differing() > 0) {
    verified->copy =
        TRY(note_damage(place, *verified), "verifying the DR copy {} of {}", copy->id, copy->machine);
  }
  return verified;
}

namespace {

std::string way_out(const DrCopy& copy) {
  if (copy.state == DrCopyState::current)
    return fmt::format("'rekindle replicate run {}' makes it anew", copy.plan);
  return "a newer copy took its place meanwhile, and may have the block from it: verify that one, run the "
         "command again";
}

}  // namespace

Result<> outcome(const CopyVerification& verification) {
  const DrCopy& copy = verification.copy;
  for (const DiskVerification& disk : verification.disks) {
    if (disk.differing.empty()) continue;
    const std::uint64_t blocks = verification.blocks_differing();
    const std::string all = blocks == 1 ? "" : fmt::format(" (blocks that differ in all: {})", blocks);
    return error(ErrorCode::corrupt,
                 "{}: disk {}: block {} (of 512 KiB) of the DR copy {}, image {}, is not what its recovery "
                 "point {} says{}; {}",
                 copy.machine, disk.disk_id, disk.differing.front(), copy.id, disk.image_id,
                 copy.recovery_point_id, all, way_out(copy));
  }
  return {};
}

}  // namespace rekindle
