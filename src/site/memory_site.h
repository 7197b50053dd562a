// A site in memory: machines whose disks are bytes, images, templates, instances. The small real fake that
// backup, replication and failover are tested on; it keeps the promises of both contracts.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "disk/memory_disk.h"
#include "site/memory_guest_scripts.h"
#include "site/memory_instances.h"
#include "site/recovery_target.h"
#include "site/restore_target.h"
#include "site/sites.h"
#include "site/snapshot_source.h"

namespace rekindle {

class MemorySite final : public SnapshotSource, public RestoreTarget, public RecoveryTarget, public Sites {
 public:
  // A fault to put before (lost request) or after (lost answer) a call takes effect. Called with the name of
  // the method and whether the call has taken effect; an error it returns is what the caller sees.
  using Fault = std::function<Result<>(std::string_view method, bool done)>;
  void set_fault(Fault fault) { fault_ = std::move(fault); }

  // The machine's disks are those of `machine.disks`, all zeros.
  void add_machine(Machine machine);
  void lose_machine(const MachineId& id);
  void set_firmware_variables(const MachineId& id, Bytes variables);
  // What the running guest writes.
  void guest_writes(const MachineId& id, std::size_t disk, std::uint64_t offset, ByteView bytes);
  Bytes disk_content(const MachineId& id, std::size_t disk);
  // Forgets what changed: the next changed_areas fails, as after a crash of the host.
  void reset_change_tracking(const MachineId& id);
  // Bytes read from frozen disks so far, and blocks put into images so far.
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t blocks_put() const { return blocks_put_; }
  Bytes image_content(const ImageId& id);
  // Flips a bit of a stored image: what read-back verification must find.
  void damage_image(const ImageId& id, std::uint64_t offset);
  std::size_t snapshot_count() const;
  std::size_t image_count() const { return images_.size(); }
  std::size_t template_count() const { return templates_.size(); }
  std::size_t volume_count() const { return volumes_.size(); }
  std::size_t live_instance_count() const;
  // The content of one of the instance's disks, and what its guest writes to it.
  Bytes instance_disk(const InstanceId& id, std::size_t disk = 0);
  void instance_writes(const InstanceId& id, std::size_t disk, std::uint64_t offset, ByteView bytes);
  // Somebody attaches a volume there: it is listed at that position, before those that were there.
  void attach_volume(const InstanceId& id, std::size_t position, const std::string& volume, Bytes content);
  // The blocks written to disks of machines that are off, in bytes.
  std::uint64_t bytes_restored() const { return bytes_restored_; }
  // No changes are known between images of an instance any more.
  void lose_lineage() { lineage_lost_ = true; }
  LaunchSpec launch_spec_of(const InstanceId& id);  // that it was launched with
  // It stops by itself: a panic of its guest, a fault of its host.
  void end_instance(const InstanceId& id, const std::string& reason);
  // It ends while it starts: there is no room for it.
  void find_no_room(const InstanceId& id);
  // As a site whose lists lag: the objects of which it says true are not listed, nor found by their ids, and
  // what is to be done to them is not.
  void set_denied(std::function<bool(const std::string& id)> denied) { denied_ = std::move(denied); }
  // What try_calls() finds refused.
  void set_refused(std::vector<std::string> calls) { refused_ = std::move(calls); }
  PlannedCalls planned_calls() const { return planned_calls_; }  // that try_calls() was last asked for
  void set_free_addresses(std::uint64_t count) { free_addresses_ = count; }  // of every subnet
  // From then on what does not ask for it is encrypted, too, and so are volumes of images that are not: there
  // what those leave out, their blocks of zeros, reads as garbage. They get no children.
  void set_encrypts_by_default(bool encrypts) { encrypts_by_default_ = encrypts; }
  MemoryGuestScripts& scripts() { return scripts_; }  // of all instances, also of such that are not there

  // Sites
  Result<SnapshotSource*> datacenter(const std::string&) override;
  Result<RestoreTarget*> restore_target(const std::string&) override;
  Result<RecoveryTarget*> account(const std::string&) override;
  Result<SnapshotSource*> instances_of(const std::string&) override;
  Result<GuestScripts*> guest_scripts(const std::string&) override { return &scripts_; }

  // SnapshotSource
  Result<std::vector<Machine>> machines() override;
  Result<Machine> machine(const MachineId& id) override;
  Result<> enable_change_tracking(const MachineId& id) override;
  Result<MachineSnapshot> create_snapshot(const MachineId& id, const std::string& name) override;
  Result<std::vector<SnapshotName>> snapshots(const MachineId& id) override;
  Result<MachineSnapshot> find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<> remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<Extents> changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                const std::string& since_change_id) override;
  Result<std::unique_ptr<BlockSource>> open_disk(const MachineSnapshot& snapshot,
                                                 const DiskId& disk) override;
  Result<Bytes> firmware_variables(const MachineId& id) override;

  // RestoreTarget
  Result<> check_new_machine(const NewMachine& wanted) override;
  Result<> check_writable(const MachineId& id) override;
  Result<MachineId> create_machine(const NewMachine& wanted) override;
  Result<std::optional<MachineId>> find_machine(const std::string& token) override;
  Result<> remove_machine(const MachineId& id) override;
  Result<> power_on(const MachineId& id) override;
  Result<> power_off(const MachineId& id) override;
  Result<std::unique_ptr<BlockTarget>> open_disk_to_write(const MachineId& id, const DiskId& disk) override;

  // RecoveryTarget
  Result<std::string> identity() override;
  Result<ImageId> start_image(const ImageSpec& spec) override;
  Result<std::unique_ptr<ImageWriter>> open_writer(const ImageId& image) override;
  Result<Image> image(const ImageId& id) override;
  Result<std::unique_ptr<BlockSource>> open_image(const ImageId& id) override;
  Result<> remove_image(const ImageId& id) override;
  Result<std::vector<Image>> find_images(const Tags& tags) override;
  Result<VolumeId> create_volume(const VolumeSpec& spec) override;
  Result<bool> zeros_must_be_put(const VolumeId& id) override;
  Result<std::unique_ptr<ImageWriter>> open_volume_writer(const VolumeId& id) override;
  Result<ImageId> freeze_volume(const VolumeId& id, const ImageSpec& spec) override;
  Result<TemplateId> register_template(const TemplateSpec& spec) override;
  Result<> remove_template(const TemplateId& id) override;
  Result<std::vector<TemplateId>> find_templates(const Tags& tags) override;
  Result<InstanceId> launch(const LaunchSpec& spec) override;
  Result<> adjust(const InstanceId& id, const LaunchSpec& spec) override;
  Result<> stop(const InstanceId& id) override;
  Result<> start(const InstanceId& id) override;
  Result<Instance> instance(const InstanceId& id) override;
  Result<> terminate(const InstanceId& id) override;
  Result<std::vector<Instance>> find_instances(const Tags& tags) override;
  Result<std::string> console_output(const InstanceId& id) override;
  Result<bool> passes_site_checks(const InstanceId& id) override;
  Result<Unproven> check_launch(const LaunchSpec& spec) override;
  Result<> check_template(const TemplateSpec& spec) override;
  Result<Unproven> check_quotas(const std::vector<LaunchSpec>& specs) override;
  // "remove_image" may be made, or set_refused()
  Result<TriedCalls> try_calls(const DrCopy& copy, const PlannedCalls& planned) override;
  Result<Unproven> check_key(const std::string& kms_key) override;  // all but "no-key" are there
  Result<bool> encrypts_by_default() override;
  // "small" has 2 vCPUs and 2 GiB, "large" 8 and 32.
  Result<std::string> propose_instance_type(int vcpus, std::uint64_t memory_mib,
                                            const std::string& subnet_id) override;
  Result<InstanceSize> size_of_type(const std::string& instance_type) override;
  Result<Subnet> subnet(const std::string& subnet_id) override;  // 10.9.0.0/16 of "subnet-test"
  Result<std::vector<OwnedObject>> owned_objects() override;
  Result<> remove_object(const OwnedObject& object) override;

 private:
  friend class MemoryImageWriter;
  friend class MemoryVolumeWriter;
  friend class MemoryInstances;
  friend class MemoryMachineDisk;
  static constexpr std::uint64_t tracking_unit = 64 * kib;

  struct FrozenDisk {
    Bytes content;
    std::uint64_t epoch = 0;
  };
  struct Snapshot {
    std::string name;
    std::vector<FrozenDisk> disks;
  };
  struct Disk {
    Bytes content;
    std::map<std::uint64_t, std::uint64_t> changed_in;  // unit -> epoch of its last write
  };
  struct Guest {
    Machine machine;
    std::vector<Disk> disks;
    std::uint64_t epoch = 1;
    std::uint64_t tracked_since = 1;
    std::map<std::string, Snapshot> snapshots;
    std::string token;  // of a machine that failback made
    Bytes firmware_variables;
  };
  struct StoredImage {
    Image image;
    Bytes content;
    std::string token;
  };
  struct StoredVolume {
    VolumeSpec spec;
    Bytes content;
    bool encrypted = false;
    bool zeros_must_be_put = false;
  };
  struct StoredInstance {
    Instance instance;
    LaunchSpec spec;
    std::vector<Bytes> disks;
    std::vector<ImageId> from;  // the images they began as
  };

  Result<> before(std::string_view method) const { return fault_ ? fault_(method, false) : Result<>(); }
  Result<> after(std::string_view method) const { return fault_ ? fault_(method, true) : Result<>(); }
  bool is_denied(const std::string& id) const { return denied_ && denied_(id); }
  Result<Guest*> find_guest(const MachineId& id);
  Result<ImageId> begin_image(const ImageSpec& spec);
  MachineSnapshot describe(const Guest& guest, const std::string& id) const;
  std::string next_id(std::string_view prefix);

  Fault fault_;
  std::function<bool(const std::string& id)> denied_;
  std::uint64_t free_addresses_ = 200;
  std::vector<std::string> refused_;
  PlannedCalls planned_calls_;
  bool encrypts_by_default_ = false;
  mutable std::recursive_mutex mutex_;
  std::uint64_t counter_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t blocks_put_ = 0;
  std::uint64_t bytes_restored_ = 0;
  bool lineage_lost_ = false;
  std::map<std::string, Guest> guests_;
  std::map<std::string, StoredImage> images_;
  std::map<std::string, StoredVolume> volumes_;
  std::map<std::string, TemplateSpec> templates_;
  std::map<std::string, StoredInstance> instances_;
  MemoryInstances machines_of_instances_{*this};
  MemoryGuestScripts scripts_;
};

}  // namespace rekindle
