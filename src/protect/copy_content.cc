#include "protect/copy_content.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "protect/copy_records.h"
#include "protect/image_copy.h"

namespace rekindle {

namespace {

// A disk of the vault with the converted blocks over it, which holds both.
class ConvertedDisk final : public BlockSource {
 public:
  ConvertedDisk(std::unique_ptr<BlockSource> base, const PatchedDisk::Blocks& blocks)
      : base_(std::move(base)), patched_(*base_, blocks, image_block_bytes) {}
  std::uint64_t size() const override { return patched_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return patched_.read_at(offset, bytes); }
  Result<Extents> data_extents(Extent range) override { return patched_.data_extents(range); }

 private:
  std::unique_ptr<BlockSource> base_;
  PatchedDisk patched_;
};

std::map<std::uint64_t, std::string> digests_of(const std::vector<ConvertedBlock>& overlay) {
  std::map<std::uint64_t, std::string> digests;
  for (const ConvertedBlock& block : overlay) digests[block.index] = block.sha256;
  return digests;
}

}  // namespace

CopyContent::CopyContent(Vault& vault, DrCopy copy, std::optional<DrCopy> old_copy)
    : vault_(vault), copy_(std::move(copy)), old_copy_(std::move(old_copy)) {}

Result<> CopyContent::convert() {
  MachineDisks disks;
  for (const DrCopyDisk& disk : copy_.disks)
    disks.push_back(TRY(vault_.open_disk(copy_.recovery_point_id, disk.disk_id)));
  conversion_ = TRY(convert_machine(disks, copy_.firmware));
  return {};
}

Result<std::unique_ptr<BlockSource>> CopyContent::open_disk(std::size_t position) const {
  auto disk = TRY(vault_.open_disk(copy_.recovery_point_id, copy_.disks.at(position).disk_id));
  if (position > 0 || !conversion_) return disk;
  return std::unique_ptr<BlockSource>(std::make_unique<ConvertedDisk>(std::move(disk), conversion_->blocks));
}

std::optional<ImageId> CopyContent::parent_of(std::size_t position) const {
  return rekindle::parent_of(copy_, position, old_copy_);
}

// Every block that conversion changed, then or now, may differ, too; but not one that it changed to the same
// both times.
Result<std::vector<std::uint64_t>> CopyContent::differing_from_parent(std::size_t position) const {
  const DrCopyDisk& disk = copy_.disks.at(position);
  auto areas = vault_.diff(old_copy_->recovery_point_id, copy_.recovery_point_id, disk.disk_id);
  if (!areas.ok() && areas.error().code() == ErrorCode::not_found) {
    // The old point is gone from the vault: everything is written again, zeros too, on top of the old image.
    log::info("disk {}: the recovery point of the present DR copy is gone; writing everything", disk.disk_id);
    return blocks_of({{0, disk.size_bytes}});
  }
  if (!areas.ok()) return areas.error();
  const auto changed = blocks_of(*areas);
  if (position > 0) return changed;
  std::set<std::uint64_t> blocks(changed.begin(), changed.end());
  const auto now = digests_of(conversion_ ? overlay_of(conversion_->blocks) : std::vector<ConvertedBlock>());
  const bool was_boot_disk = old_copy_->disks.front().disk_id == disk.disk_id;
  const auto then = digests_of(was_boot_disk ? old_copy_->overlay : std::vector<ConvertedBlock>());
  for (const auto& [index, digest] : then) blocks.insert(index);
  for (const auto& [index, digest] : now) {
    const auto before = then.find(index);
    if (before != then.end() && before->second == digest) {
      blocks.erase(index);
    } else {
      blocks.insert(index);
    }
  }
  return std::vector<std::uint64_t>(blocks.begin(), blocks.end());
}

Result<std::vector<std::uint64_t>> CopyContent::differing(std::size_t position,
                                                          bool zeros_must_be_put) const {
  if (parent_of(position)) return differing_from_parent(position);
  const DrCopyDisk& disk = copy_.disks.at(position);
  if (zeros_must_be_put) return blocks_of({{0, disk.size_bytes}});
  const auto source = TRY(open_disk(position));
  return blocks_of(TRY(source->data_extents({0, source->size()})));
}

}  // namespace rekindle
