// AwsSite: images written through volumes that are attached to this proxy.
#include <algorithm>

#include "aws/aws_site.h"
#include "aws/gone.h"
#include "aws/pending_snapshots.h"
#include "aws/volume_writer.h"
#include "disk/file_disk.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds poll{500};
constexpr milliseconds patient_poll{2000};
constexpr milliseconds attach_patience{120000};
constexpr std::string_view first_device = "/dev/sdf";  // to /dev/sdp: AWS's names for data volumes
constexpr int device_names = 11;

void replace(std::string& text, std::string_view what, std::string_view with) {
  if (const auto at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
}

std::string device_path(std::string pattern, const VolumeId& volume, const std::string& device) {
  std::string serial = volume.str();  // as the NVMe disk of an instance gives it
  std::erase(serial, '-');
  replace(pattern, "{volume}", serial);
  replace(pattern, "{device}", device.substr(device.rfind('/') + 1));
  return pattern;
}

}  // namespace

Result<InstanceId> AwsSite::proxy() {
  if (!options_.proxy.instance_id.empty()) return InstanceId(options_.proxy.instance_id);
  return error(
      ErrorCode::failed_precondition,
      "the account names no AWS proxy, and only an EC2 instance can have a volume attached: run on one "
      "and name it with 'rekindle account add --proxy-instance-id', or let the plan write directly "
      "(write: direct)");
}

Result<Ec2Volume> AwsSite::describe_volume(const VolumeId& id) {
  return describe_volume(id, recent_.grace(id.str()));
}

Result<Ec2Volume> AwsSite::describe_volume(const VolumeId& id, milliseconds settle_for) {
  auto found = TRY(ec2_->volumes({.ids = {id}, .tags = {}}, settle_for), "volume {}", id);
  if (found.empty()) return error(ErrorCode::not_found, "volume {} does not exist", id);
  return std::move(found.front());
}

Result<VolumeId> AwsSite::create_volume(const VolumeSpec& spec) {
  const InstanceId instance = TRY(proxy());
  const auto found = TRY(ec2_->instances({.ids = {instance}, .tags = {}}), "the AWS proxy {}", instance);
  if (found.empty()) return error(ErrorCode::not_found, "the AWS proxy {} does not exist", instance);
  CreateVolumeRequest request;
  request.availability_zone = found.front().availability_zone;
  request.size_gib = std::max<std::uint64_t>(1, (spec.size_bytes + gib - 1) / gib);
  request.snapshot = spec.from;
  request.encrypted = spec.encryption.encrypted;
  request.kms_key = spec.encryption.kms_key;
  request.client_token = spec.token;
  request.tags = marked(spec.tags);
  const Ec2Volume volume = TRY(ec2_->create_volume(request));
  recent_.note(volume.id.str());
  return volume.id;
}

// Also of a volume that is encrypted only because the account does so by default since its snapshot was made.
Result<bool> AwsSite::zeros_must_be_put(const VolumeId& id) {
  const Ec2Volume volume = TRY(describe_volume(id));
  if (!volume.encrypted || !volume.snapshot) return volume.encrypted;
  const Ec2Snapshot from = TRY(describe_image(*volume.snapshot));
  return !from.encrypted;
}

// The device name under which the proxy has it.
Result<std::string> AwsSite::attach(const VolumeId& id) {
  const InstanceId instance = TRY(proxy());
  const auto deadline = clock_.ticks() + attach_patience;
  for (int name = 0;; clock_.sleep(poll)) {
    const Ec2Volume volume = TRY(describe_volume(id));
    for (const Ec2Attachment& attachment : volume.attachments) {
      if (attachment.instance != instance)
        return error(ErrorCode::failed_precondition, "volume {} is attached to {}, not to the AWS proxy {}",
                     id, attachment.instance, instance);
      if (attachment.state == "attached") return attachment.device;
    }
    if (clock_.ticks() >= deadline)
      return error(ErrorCode::unavailable, "volume {} is '{}' and cannot be attached to {}", id, volume.state,
                   instance);
    if (volume.state != "available") continue;
    std::string device(first_device);
    device.back() = static_cast<char>(device.back() + name % device_names);
    const auto attached = ec2_->attach_volume(id, instance, device);
    // A name that another volume has; or attached already, by a call whose answer was lost.
    const bool go_on = attached.ok() || attached.error().code() == ErrorCode::invalid_argument ||
                       attached.error().code() == ErrorCode::failed_precondition;
    if (!go_on) return attached.error();
    if (!attached.ok() && ++name > 2 * device_names) return attached.error();
  }
}

Result<std::unique_ptr<ImageWriter>> AwsSite::open_volume_writer(const VolumeId& id) {
  const std::string device = TRY(attach(id), "attaching the volume {}", id);
  const std::string path = device_path(options_.proxy.device_path, id, device);
  const auto deadline = clock_.ticks() + attach_patience;
  for (;;) {
    auto disk = FileDisk::open(path, File::Mode::read_write);
    if (disk.ok()) {
      (*disk)->write_directly();
      return std::unique_ptr<ImageWriter>(std::make_unique<VolumeWriter>(std::move(disk).value()));
    }
    // The kernel shows an attached volume some seconds later.
    if (disk.error().code() != ErrorCode::not_found || clock_.ticks() >= deadline)
      return std::move(disk).error().context("opening the volume {} on the AWS proxy", id);
    clock_.sleep(poll);
  }
}

// CreateSnapshot has no client token: what an earlier call may have made is looked for first.
Result<ImageId> AwsSite::freeze_volume(const VolumeId& id, const ImageSpec& spec) {
  const auto deadline =
      clock_.ticks() + (spec.may_exist ? options_.settling_time : std::chrono::milliseconds(0));
  for (;; clock_.sleep(patient_poll)) {  // what was made a moment ago may not be listed yet
    const auto earlier = TRY(ec2_->snapshots({.ids = {}, .tags = {{token_tag, spec.token}}}));
    if (!earlier.empty()) return earlier.front().id;
    if (clock_.ticks() >= deadline) break;
  }
  Tags tags = marked(spec.tags);
  if (spec.parent) tags[parent_tag] = spec.parent->str();
  const Ec2Snapshot snapshot = TRY(when_few_are_pending(
      clock_, spec.stop, [&] { return ec2_->create_snapshot(id, spec.description, tags); }));
  recent_.note(snapshot.id.str());
  return snapshot.id;
}

Result<> AwsSite::remove_volume(const VolumeId& id) {
  const auto deadline = clock_.ticks() + attach_patience;
  for (bool asked = false;; clock_.sleep(poll)) {
    const auto volume = describe_volume(id);
    if (!volume.ok() && volume.error().code() == ErrorCode::not_found) break;
    if (!volume.ok()) return volume.error();
    if (volume->state == "deleting") break;
    if (volume->state == "in-use" && !asked && !volume->attachments.empty()) {
      if (volume->attachments.front().instance.str() != options_.proxy.instance_id) {
        return error(ErrorCode::failed_precondition,
                     "volume {} is attached to {}, which is not the AWS proxy: detach it if nobody needs it",
                     id, volume->attachments.front().instance);
      }
      const auto detached = ec2_->detach_volume(id, volume->attachments.front().instance);
      if (!detached.ok() && detached.error().code() != ErrorCode::failed_precondition) return detached;
      asked = true;
    }
    if (volume->state == "available" || volume->state == "error") {
      const auto removed = remove_or_gone(
          recent_, id.str(), [&](milliseconds settle_for) { return ec2_->delete_volume(id, settle_for); },
          [&](milliseconds settle_for) { return describe_volume(id, settle_for); });
      if (removed.ok() || removed.error().code() == ErrorCode::not_found) break;
      if (removed.error().code() != ErrorCode::failed_precondition) return removed;
    }
    if (clock_.ticks() >= deadline)
      return error(ErrorCode::unavailable, "volume {} is still '{}'; it is removed at the next start", id,
                   volume->state);
  }
  recent_.forget(id.str());
  return {};
}

}  // namespace rekindle
