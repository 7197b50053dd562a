#include "protect/lost_images.h"

#include "base/log.h"

namespace rekindle {

namespace {

// Who may not ask, or asks an endpoint that does not know the question, is answered as before there was it.
Result<bool> encrypts_by_default(RecoveryTarget& site) {
  const auto encrypts = site.encrypts_by_default();
  const bool cannot_ask = !encrypts.ok() && (encrypts.error().code() == ErrorCode::permission_denied ||
                                             encrypts.error().code() == ErrorCode::internal);
  return cannot_ask ? Result<bool>(false) : encrypts;
}

}  // namespace

Result<> drop_lost_images(Sites& sites, const std::string& account, DrCopy& copy) {
  if (copy.account != account) {
    copy.disks.clear();
    return {};
  }
  RecoveryTarget* site = TRY(sites.account(account));
  const bool needs_zeros = TRY(encrypts_by_default(*site));
  std::vector<DrCopyDisk> kept;
  for (std::size_t i = 0; i < copy.disks.size(); ++i) {
    const DrCopyDisk& disk = copy.disks[i];
    const auto image = site->image(disk.image_id);
    if (!image.ok() && image.error().code() != ErrorCode::not_found) return image.error();
    const bool is_there = image.ok() && image->state == ImageState::complete;
    if (is_there && (image->zeros_must_be_put || !needs_zeros)) {
      kept.push_back(disk);
      continue;
    }
    log::warn("{}: the image {} of the present DR copy {}; writing that disk whole", copy.machine,
              disk.image_id,
              is_there ? "leaves out zeros, and the account encrypts by default since" : "is gone");
    if (i == 0) copy.overlay.clear();
  }
  copy.disks = std::move(kept);
  return {};
}

}  // namespace rekindle
