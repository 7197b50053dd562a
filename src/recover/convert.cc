#include "recover/convert.h"

#include <iterator>

#include "base/parallel.h"
#include "disk/overlay_disk.h"
#include "guest/conversion.h"

namespace rekindle {

namespace {

constexpr std::size_t parallel_puts = 16;

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

// A disk cut to the machine's size: images are rounded up to the site's unit, but backup structures of a
// partition table are looked for at the end of the disk.
class DiskOfMachine final : public BlockSource {
 public:
  DiskOfMachine(std::unique_ptr<BlockSource> image, std::uint64_t size_bytes)
      : image_(std::move(image)), size_bytes_(size_bytes) {}
  std::uint64_t size() const override { return size_bytes_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return image_->read_at(offset, bytes); }

 private:
  std::unique_ptr<BlockSource> image_;
  std::uint64_t size_bytes_;
};

Result<std::unique_ptr<BlockSource>> open_disk(RecoveryTarget& site, const DrCopyDisk& disk) {
  auto image = TRY(site.open_image(disk.image_id));
  return std::unique_ptr<BlockSource>(std::make_unique<DiskOfMachine>(std::move(image), disk.size_bytes));
}

Result<> put_blocks(ImageWriter& writer, const std::map<std::uint64_t, Bytes>& blocks, StepContext& context) {
  std::vector<std::pair<std::uint64_t, Bytes>> work(blocks.begin(), blocks.end());
  for (auto& [index, content] : work)
    content.resize(image_block_bytes);  // the last block of an odd-sized disk
  TRY(parallel_for(work.size(), parallel_puts, context.stop, [&](std::size_t i) -> Result<> {
    TRY(writer.put_block(work[i].first, work[i].second));
    context.progress.bytes_done += work[i].second.size();
    return {};
  }));
  return writer.complete();
}

}  // namespace

Result<ConversionOutcome> convert_image(RecoveryTarget& site, const DrCopy& copy, const ImageId& child,
                                        StepContext& context) {
  const auto boot_disk = TRY(open_disk(site, copy.disks.at(0)));
  OverlayDisk overlay(*boot_disk, image_block_bytes);
  std::vector<std::unique_ptr<BlockSource>> data_disks;
  ConversionOptions options;
  for (std::size_t i = 1; i < copy.disks.size(); ++i) {
    data_disks.push_back(TRY(open_disk(site, copy.disks[i])));
    options.data_disks.push_back(data_disks.back().get());
  }
  const ConversionReport report = TRY(convert_guest(overlay, options), "converting {}", copy.machine);
  const auto blocks = overlay.changed_blocks();
  ConversionOutcome outcome{describe(report), blocks.size()};
  const Image state = TRY(site.image(child));
  if (state.state == ImageState::complete) return outcome;  // an earlier attempt got this far
  if (state.state == ImageState::failed) {
    return error(ErrorCode::internal, "the image {} failed at the site: {}", child, state.detail);
  }
  context.progress.bytes_total = blocks.size() * image_block_bytes;
  auto writer = TRY(site.open_writer(child));
  TRY(put_blocks(*writer, blocks, context));
  return outcome;
}

}  // namespace rekindle
