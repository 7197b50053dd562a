// What replication and failover need of a site: disk images that are written once and then never change, and
// instances that start from them. Implementations: AwsSite (aws/), MemorySite (site/memory_site.h).
//
// Every object it makes carries `tags` (to find what is ours) and is made idempotently from `token`: the same
// token, the same object, also after a crash or a lost answer.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "disk/block_device.h"
#include "disk/extent.h"
#include "model/dr_plan.h"
#include "model/ids.h"
#include "model/ledger_entry.h"
#include "model/machine.h"

namespace rekindle {

using Tags = std::map<std::string, std::string>;

// The tag that carries the ledger's token on every object made at a site.
inline const std::string token_tag = "rekindle:token";

// Of an image without a parent; one with a parent is encrypted as that is. The account may encrypt by default
// what does not ask for it.
struct ImageEncryption {
  bool encrypted = false;
  std::string kms_key;  // id, ARN or alias; empty: the account's own for volumes
};

struct ImageSpec {
  std::uint64_t size_bytes = 0;   // rounded up to the site's unit (1 GiB)
  std::optional<ImageId> parent;  // blocks not written are those of the parent; else zeros
  std::string description;
  std::string token;  // at most 64 characters
  Tags tags;
  bool may_exist = false;  // an earlier call of this token may have taken effect
  ImageEncryption encryption{};
  std::stop_token stop{};  // ends a wait for the account's limit of pending images: `cancelled`
};

enum class ImageState { pending, complete, failed };

struct Image {
  ImageId id;
  ImageState state = ImageState::pending;
  std::uint64_t size_bytes = 0;
  std::optional<ImageId> parent;
  Tags tags;
  std::string detail;  // of a failure
  // Blocks that are never put read as garbage, not as zeros (encrypted EBS snapshots): put every zero block,
  // too.
  bool zeros_must_be_put = false;
};

// The SHA-256 of the content of one block, as it was put.
struct BlockDigest {
  std::uint64_t index = 0;
  std::array<std::byte, 32> sha256{};
};

// Writes one image. Blocks in any order, from any number of threads.
class ImageWriter {
 public:
  virtual ~ImageWriter() = default;
  // `content` is exactly image_block_bytes long. Retries what is safe to retry.
  virtual Result<> put_block(std::uint64_t index, ByteView content) = 0;
  // The same where its SHA-256 is known. Who puts many blocks digests them together, which costs less, for a
  // writer that proves them by it.
  virtual Result<> put_digested(const BlockDigest& block, ByteView content) {
    return put_block(block.index, content);
  }
  virtual bool needs_digests() const { return false; }
  // How many puts at a time the way there is best used with; each holds a block in memory.
  virtual std::size_t puts_in_flight() const { return 16; }
  // From now on puts that wait give up, `cancelled`, when this is requested. Before the first put.
  virtual void stop_with(std::stop_token stop) { static_cast<void>(stop); }
  // What was put so far, ascending, for the checkpoint of a job that may die; and, in the writer that the
  // next process opens for the same pending image, what needs no second put. Together with its own puts this
  // must be every block ever put into the image, for complete() proves them all. Empty where the site checks
  // no sums.
  virtual std::vector<BlockDigest> put_so_far() const { return {}; }
  virtual void resume_from(const std::vector<BlockDigest>& already_put) { static_cast<void>(already_put); }
  // All puts are in; asks the site to seal the image, with the checksum of the blocks that were put, and
  // waits until it is complete. `corrupt` when the site refuses the checksum; `cancelled` on stop, after
  // which it may still become complete.
  virtual Result<> complete(std::stop_token stop) = 0;
  Result<> complete() { return complete({}); }
};

// The unit in which images are written and compared (EBS: 512 KiB).
constexpr std::uint64_t image_block_bytes = 512 * kib;

struct VolumeSpec {
  std::uint64_t size_bytes = 0;  // rounded up to the site's unit
  std::optional<ImageId> from;   // its content to begin with; else zeros
  std::string token;
  Tags tags;
  ImageEncryption encryption{};  // where `from` is absent
};

struct ImageDisk {
  ImageId image;
  std::string device_name;  // empty: the site chooses by position; the first is the boot disk
};

struct TemplateSpec {
  std::string name;  // unique: makes registering idempotent
  Firmware firmware = Firmware::bios;
  std::vector<ImageDisk> disks;
  Tags tags;
};

struct LaunchSpec {
  TemplateId image_template;
  std::string instance_type;
  std::string subnet_id;
  std::vector<std::string> security_group_ids;
  std::string private_ip;                 // empty: any free one
  std::optional<bool> public_address;     // absent: as the subnet does it
  std::string elastic_ip;                 // its allocation id; given by adjust()
  std::string instance_profile;           // name or ARN
  std::string user_data;                  // as text
  std::optional<bool> source_dest_check;  // absent: checked; switched off by adjust()
  VolumeSettings volumes;
  std::size_t disks = 1;            // of the template: `volumes` is for each
  std::uint64_t volumes_bytes = 0;  // of all of them together; for check_quotas()
  std::string token;
  Tags tags;  // of the instance and its volumes
};

enum class InstanceState { pending, running, stopping, stopped, terminating, terminated };

struct Instance {
  InstanceId id;
  InstanceState state = InstanceState::pending;
  std::string instance_type;
  Firmware firmware = Firmware::bios;
  std::string private_ip;
  std::string public_ip;
  std::string state_reason;      // why it died
  bool had_no_capacity = false;  // it died because the site had no room for its type there
  Tags tags;
  std::vector<std::string> volume_ids;  // the boot disk's first
};

struct InstanceSize {
  int vcpus = 0;
  std::uint64_t memory_mib = 0;
};

struct Subnet {
  std::string range;  // "10.0.1.0/24"
  std::uint64_t free_addresses = 0;
};

// What a check could not ask or prove, a sentence each ("whether KEY may be used was not asked: ..."):
// nothing speaks against it, and nobody promises it.
using Unproven = std::vector<std::string>;

// What of a DR plan decides which calls are made, beside those that are made for every plan.
struct PlannedCalls {
  bool through_volumes = false;       // DR copies are written that way
  bool without_source_check = false;  // an instance's source/destination check is switched off
  bool asks_site_checks = false;      // whether the site's own checks of an instance pass
  std::string elastic_ip;             // the allocation id of one that an instance is given; empty: none is
};

// Calls by the site's own names ("ec2:DeleteSnapshot").
struct TriedCalls {
  std::vector<std::string> allowed;
  std::vector<std::string> refused;
  std::vector<std::string> untried;  // nothing is there that they could be tried on
};

// Something at the site that carries our tags, whoever knows of it still.
struct OwnedObject {
  ResourceKind kind = ResourceKind::image;
  std::string id;
  std::string token;
  Tags tags;
};

// Any number of threads. Errors common to all: `unavailable` (already retried), `unauthenticated` (wrong
// secret, with which key), `permission_denied`, `exhausted` (quota, capacity, no free address),
// `invalid_argument` (no such instance type, subnet, ...: names the wrong value and how to list the right
// ones).
class RecoveryTarget {
 public:
  virtual ~RecoveryTarget() = default;

  // Who we are there; the cheapest call that proves the credentials. For AWS: the account id.
  virtual Result<std::string> identity() = 0;

  virtual Result<ImageId> start_image(const ImageSpec& spec) = 0;
  virtual Result<std::unique_ptr<ImageWriter>> open_writer(const ImageId& image) = 0;
  virtual Result<Image> image(const ImageId& id) = 0;  // `not_found`
  // Of complete images. Blocks not listed hold what an unwritten block holds: zeros.
  virtual Result<std::unique_ptr<BlockSource>> open_image(const ImageId& id) = 0;
  virtual Result<> remove_image(const ImageId& id) = 0;                  // absent is fine
  virtual Result<std::vector<Image>> find_images(const Tags& tags) = 0;  // all tags match

  // The second way to write an image: a volume that is attached to this proxy, written, and frozen.
  // `failed_precondition` where this process does not run on a proxy of the site.
  virtual Result<VolumeId> create_volume(const VolumeSpec& spec) = 0;
  // As Image::zeros_must_be_put: of an encrypted volume that was made of nothing, or of an image that is not.
  virtual Result<bool> zeros_must_be_put(const VolumeId& id) = 0;
  // Attaches it, if it is not. complete(): all is on the volume.
  virtual Result<std::unique_ptr<ImageWriter>> open_volume_writer(const VolumeId& id) = 0;
  // The volume's content now becomes an image, of size, parent, description, token and tags as `spec` says;
  // pending until the site has copied it. Nobody writes meanwhile.
  virtual Result<ImageId> freeze_volume(const VolumeId& id, const ImageSpec& spec) = 0;

  virtual Result<TemplateId> register_template(const TemplateSpec& spec) = 0;
  virtual Result<> remove_template(const TemplateId& id) = 0;  // its images stay; absent is fine
  virtual Result<std::vector<TemplateId>> find_templates(const Tags& tags) = 0;

  virtual Result<InstanceId> launch(const LaunchSpec& spec) = 0;
  // What can be said only of an instance that is there: its Elastic IP, its source/destination check.
  // Idempotent.
  virtual Result<> adjust(const InstanceId& id, const LaunchSpec& spec) = 0;
  virtual Result<> stop(const InstanceId& id) = 0;   // by its power button; does not wait; stopped is fine
  virtual Result<> start(const InstanceId& id) = 0;  // a stopped one; does not wait; running is fine
  virtual Result<Instance> instance(const InstanceId& id) = 0;
  virtual Result<> terminate(const InstanceId& id) = 0;  // with its volumes; absent is fine; does not wait
  virtual Result<std::vector<Instance>> find_instances(const Tags& tags) = 0;  // not the terminated ones
  virtual Result<std::string> console_output(const InstanceId& id) = 0;
  // Whether the site's own checks of a running instance pass by now (EC2: its status and its system's).
  virtual Result<bool> passes_site_checks(const InstanceId& id) = 0;

  // Whether a launch with these settings would be accepted (unknown type, subnet, group, key, address taken),
  // without making anything.
  virtual Result<Unproven> check_launch(const LaunchSpec& spec) = 0;
  // The same of registering a template of images that are there.
  virtual Result<> check_template(const TemplateSpec& spec) = 0;
  // Whether the account's quotas allow that all of these run, with their volumes, beside what is there now.
  // `exhausted`: says which quotas, what they allow, what is used and what is wanted. What nearly uses one up
  // is said among the unproven.
  virtual Result<Unproven> check_quotas(const std::vector<LaunchSpec>& specs) = 0;
  // Which calls the account may make of those that make, start, replace and end this copy and bring it home,
  // as far as that can be tried on what is there, without changing anything.
  virtual Result<TriedCalls> try_calls(const DrCopy& copy, const PlannedCalls& planned) = 0;
  // Whether images and volumes can be encrypted with the key. `invalid_argument`: says why not.
  virtual Result<Unproven> check_key(const std::string& kms_key) = 0;
  // Whether the account encrypts what does not ask for it, so that every volume of an image that is not
  // encrypted is.
  virtual Result<bool> encrypts_by_default() = 0;
  // The smallest current type that has at least this, and that the subnet's zone offers. `exhausted`: none.
  virtual Result<std::string> propose_instance_type(int vcpus, std::uint64_t memory_mib,
                                                    const std::string& subnet_id) = 0;
  virtual Result<InstanceSize> size_of_type(const std::string& instance_type) = 0;  // `not_found`
  virtual Result<Subnet> subnet(const std::string& subnet_id) = 0;

  // Everything there that this installation made, by its tags, in any state but gone.
  virtual Result<std::vector<OwnedObject>> owned_objects() = 0;
  // Removes one of them; absent is fine. Instances are terminated, which is not waited for; volumes are
  // detached before.
  virtual Result<> remove_object(const OwnedObject& object) = 0;
};

}  // namespace rekindle
