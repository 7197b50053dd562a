#include "recover/encrypted_start.h"

#include "model/copy_encryption.h"

namespace rekindle {

Result<bool> leaves_out_zeros(RecoveryTarget& site, const DrCopy& copy) {
  if (copy.encrypted) return false;
  for (const DrCopyDisk& disk : copy.disks) {
    const Image image = TRY(site.image(disk.image_id));
    if (!image.zeros_must_be_put) return true;  // they were not put
  }
  return false;
}

namespace {

// Who may not ask starts it, as before there was the question.
bool encrypts_anyway(RecoveryTarget& site) {
  const auto by_default = site.encrypts_by_default();
  return by_default.ok() && *by_default;
}

}  // namespace

Result<> refuse_noise(RecoveryTarget& site, const DrCopy& copy, const FailoverSettings& settings) {
  const bool asked = starts_encrypted(settings.volumes);
  if (!asked && !encrypts_anyway(site)) return {};
  const bool lacking = TRY(leaves_out_zeros(site, copy));
  if (!lacking) return {};
  if (!asked) {
    return error(
        ErrorCode::failed_precondition,
        "the account encrypts every volume by default, and the DR copy of {}, made before, leaves out "
        "zeros, which would read as noise: make one that holds them with 'rekindle replicate run {}', "
        "or switch the encryption by default off for the failover, and try again",
        copy.machine, copy.plan);
  }
  return error(ErrorCode::failed_precondition,
               "{} is to start on encrypted volumes, and its DR copy leaves out zeros, which would read as "
               "noise there: make one that holds them with 'rekindle replicate run {}', or start it without "
               "encryption: take 'encrypted' and 'kms_key' out of the volumes in the plan, 'rekindle plan "
               "apply', and try again",
               copy.machine, copy.plan);
}

}  // namespace rekindle
