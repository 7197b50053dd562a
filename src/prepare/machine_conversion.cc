#include "prepare/machine_conversion.h"

#include <mutex>
#include <optional>

#include "crypto/hash.h"
#include "disk/overlay_disk.h"
#include "guest/undo_conversion.h"
#include "prepare/boot_certificate.h"

namespace rekindle {

namespace {

nlohmann::json describe(const ConversionReport& report) {
  nlohmann::json kernels = nlohmann::json::array();
  for (const KernelReport& kernel : report.kernels) {
    kernels.push_back({{"version", kernel.version},
                       {"outcome", std::string(to_string(kernel.outcome))},
                       {"initrd_path", kernel.initrd_path},
                       {"modules", kernel.modules.size()},
                       {"bytes_appended", kernel.bytes_appended}});
  }
  return {{"distribution", report.distribution},
          {"kernels", kernels},
          {"changes", report.changes},
          {"warnings", report.warnings},
          {"journal_blocks_replayed", report.journal_blocks_replayed}};
}

// The first read that failed, of all disks of a machine. Who reads a guest's files may call that a damaged
// file system, or do without the file: neither is true of the guest.
class FirstFailure {
 public:
  void note(const Error& why) {
    const std::lock_guard lock(mutex_);
    if (!why_) why_ = why;
  }

  // What was made of the disks, unless they could not be read; then that, never as failed_precondition, which
  // is what a guest is told that cannot be converted.
  template <typename T>
  Result<T> judge(Result<T> made) const {
    const std::lock_guard lock(mutex_);
    if (why_ && why_->code() == ErrorCode::failed_precondition) {
      return error(ErrorCode::internal, "{}", why_->message());
    }
    if (why_) return *why_;
    const bool about_guest = !made.ok() && (made.error().code() == ErrorCode::corrupt ||
                                            made.error().code() == ErrorCode::exhausted);
    if (about_guest) return error(ErrorCode::failed_precondition, "{}", made.error().message());
    return made;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> why_;
};

// Past its end only a guest reads whose own structures are wrong.
class WatchedDisk final : public BlockSource {
 public:
  WatchedDisk(BlockSource& disk, FirstFailure& failure) : disk_(disk), failure_(failure) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    Result<> read = disk_.read_at(offset, bytes);
    const bool inside = offset <= size() && bytes.size() <= size() - offset;
    if (!read.ok() && inside) failure_.note(read.error());
    return read;
  }
  Result<Extents> data_extents(Extent range) override { return disk_.data_extents(range); }
  void will_read(Extent range) override { disk_.will_read(range); }

 private:
  BlockSource& disk_;
  FirstFailure& failure_;
};

MachineDisks watched(const MachineDisks& disks, FirstFailure& failure) {
  MachineDisks all;
  for (const auto& disk : disks) all.push_back(std::make_unique<WatchedDisk>(*disk, failure));
  return all;
}

ConversionOptions options_of(const MachineDisks& disks) {
  ConversionOptions options;
  for (std::size_t i = 1; i < disks.size(); ++i) options.data_disks.push_back(disks[i].get());
  return options;
}

// The last block of a disk of odd size is shorter.
PatchedDisk::Blocks padded(PatchedDisk::Blocks blocks) {
  for (auto& [index, content] : blocks) content.resize(image_block_bytes);
  return blocks;
}

// A disk cut to the machine's size.
class DiskOfMachine final : public BlockSource {
 public:
  DiskOfMachine(std::unique_ptr<BlockSource> image, std::uint64_t size_bytes)
      : image_(std::move(image)), size_bytes_(size_bytes) {}
  std::uint64_t size() const override { return size_bytes_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return image_->read_at(offset, bytes); }
  Result<Extents> data_extents(Extent range) override { return image_->data_extents(range); }

 private:
  std::unique_ptr<BlockSource> image_;
  std::uint64_t size_bytes_;
};

Result<MachineConversion> convert(const MachineDisks& disks, Firmware firmware) {
  const ConversionOptions options = options_of(disks);
  MachineConversion conversion;
  {
    OverlayDisk overlay(*disks[0], image_block_bytes);
    const ConversionReport report = TRY(convert_guest(overlay, options));
    conversion.report = describe(report);
    conversion.blocks = padded(overlay.changed_blocks());
  }
  // Another look, at what was made: it must find nothing left to do.
  PatchedDisk converted(*disks[0], conversion.blocks, image_block_bytes);
  const Readiness readiness = TRY(inspect_guest(converted, options));
  conversion.certificate = certify(readiness, firmware);
  return conversion;
}

Result<MachineReturn> undo(BlockSource& now, const MachineDisks& before) {
  OverlayDisk overlay(now, image_block_bytes);
  const UndoReport report = TRY(undo_conversion(overlay, *before[0], options_of(before)));
  MachineReturn returned;
  returned.report = {{"restored", report.restored},
                     {"left", report.left},
                     {"kernels", report.kernels},
                     {"warnings", report.warnings}};
  returned.blocks = padded(overlay.changed_blocks());
  return returned;
}

Result<MachineReturn> adapt(const MachineDisks& disks) {
  ConversionOptions options = options_of(disks);
  options.platform = Platform::vmware;
  options.keep_static_addresses = true;
  OverlayDisk overlay(*disks[0], image_block_bytes);
  const ConversionReport report = TRY(convert_guest(overlay, options));
  MachineReturn adapted;
  adapted.report = describe(report);
  adapted.blocks = padded(overlay.changed_blocks());
  return adapted;
}

}  // namespace

Result<MachineConversion> convert_machine(const MachineDisks& disks, Firmware firmware) {
  CHECK(!disks.empty());
  FirstFailure failure;
  return failure.judge(convert(watched(disks, failure), firmware));
}

Result<MachineReturn> return_machine(BlockSource& now, const MachineDisks& before) {
  CHECK(!before.empty());
  FirstFailure failure;
  WatchedDisk watched_now(now, failure);
  return failure.judge(undo(watched_now, watched(before, failure)));
}

Result<MachineReturn> adapt_machine(BlockSource& now, const std::vector<BlockSource*>& data_disks) {
  FirstFailure failure;
  MachineDisks disks;
  disks.push_back(std::make_unique<WatchedDisk>(now, failure));
  for (BlockSource* disk : data_disks) disks.push_back(std::make_unique<WatchedDisk>(*disk, failure));
  return failure.judge(adapt(disks));
}

bool cannot_be_converted(const Error& error) {
  return error.code() == ErrorCode::failed_precondition;
}

std::vector<ConvertedBlock> overlay_of(const PatchedDisk::Blocks& blocks) {
  std::vector<ConvertedBlock> overlay;
  for (const auto& [index, content] : blocks) overlay.push_back({index, to_hex(sha256(content))});
  return overlay;
}

Result<MachineDisks> open_copy(RecoveryTarget& site, const DrCopy& copy) {
  MachineDisks disks;
  for (const DrCopyDisk& disk : copy.disks) {
    auto image = TRY(site.open_image(disk.image_id), "opening {}", disk.image_id);
    disks.push_back(std::make_unique<DiskOfMachine>(std::move(image), disk.size_bytes));
  }
  return disks;
}

}  // namespace rekindle
