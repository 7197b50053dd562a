// The vSphere site: a vCenter Server or a standalone ESXi host, through the vSphere Web Services API (vim25,
// SOAP over HTTPS) and the datastore downloads of /folder.
//
//   machine id   config.instanceUuid (vCenter's unique one), else config.uuid, else the managed object id
//   disk id      backing.uuid, else "key-" and the device key
//   snapshot id  the managed object id of the VirtualMachineSnapshot
//
// Disks are read from the flat file that the snapshot froze, by HTTPS ranges. ESXi allows that for machines
// on NFS and for machines that are off; on VMFS a running machine's file is locked, and reading says so.
// Disks of machines that are off are written by a command of the user's (vmware/disk_command.h).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/retry.h"
#include "net/http.h"
#include "site/restore_target.h"
#include "site/snapshot_source.h"
#include "vmware/task.h"
#include "vmware/vim_session.h"

namespace rekindle {

struct VsphereOptions {
  std::string url;  // "https://vcenter.example.com" or "https://host:port/sdk"
  std::string user;
  std::string password;
  // SHA-256 of the server's certificate, as probe() showed it; empty: trust the machine's authorities. Used
  // only by the connect() that makes its own transport.
  std::string thumbprint;
  std::string disk_command;                        // empty: disks cannot be written
  std::chrono::milliseconds call_timeout{120000};  // of one attempt
  RetryPolicy retry;
  // How long to be patient with a busy machine (another task runs, a file is locked).
  RetryPolicy busy_retry{.attempts = 8, .first_pause = std::chrono::seconds(2)};
  // Gives up waiting for tasks; a snapshot being made is cancelled at the server where it can be.
  std::stop_token stop;
};

// What a server says of itself to anybody: to be shown to the person who registers it.
struct VsphereProbe {
  VimAbout about;
  std::string thumbprint;  // SHA-256, lower-case hexadecimal; empty for http://
};

struct Placement;
class ObjectProperties;

class VsphereSite final : public SnapshotSource, public RestoreTarget {
 public:
  // Asks the server who it is, without credentials, and which certificate it shows, without trusting it.
  static Result<VsphereProbe> probe(const std::string& url);

  // Logs in, which proves the credentials: `unauthenticated` when they are refused. `clock`, `random` and
  // `transport` outlive the site and may be used from any thread. The destructor logs out.
  static Result<std::unique_ptr<VsphereSite>> connect(VsphereOptions options, Clock& clock, Random& random);
  static Result<std::unique_ptr<VsphereSite>> connect(VsphereOptions options, HttpTransport& transport,
                                                      Clock& clock, Random& random);

  const VimAbout& about() const { return session_->service().about; }

  Result<std::vector<Machine>> machines() override;
  Result<Machine> machine(const MachineId& id) override;
  Result<> enable_change_tracking(const MachineId& id) override;
  // Quiesces the guest's file systems when VMware Tools run in it; where the guest cannot, the snapshot is
  // taken as after a power cut.
  Result<MachineSnapshot> create_snapshot(const MachineId& id, const std::string& name) override;
  Result<std::vector<SnapshotName>> snapshots(const MachineId& id) override;
  Result<MachineSnapshot> find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<> remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<Extents> changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                const std::string& since_change_id) override;
  // data_extents() of the disk are the areas in use, where the server tells them.
  Result<std::unique_ptr<BlockSource>> open_disk(const MachineSnapshot& snapshot,
                                                 const DiskId& disk) override;
  // The content of the machine's .nvram file, if its firmware is UEFI. `not_found`: there is no such file, as
  // of a machine that was never started.
  Result<Bytes> firmware_variables(const MachineId& id) override;

  // The token is "rekindle.token" in the machine's extraConfig. Where nothing else is said it goes to the
  // datastore with the most room, of all that a host sees that has its networks.
  Result<> check_new_machine(const NewMachine& wanted) override;
  Result<> check_writable(const MachineId& id) override;
  Result<MachineId> create_machine(const NewMachine& wanted) override;
  Result<std::optional<MachineId>> find_machine(const std::string& token) override;
  // `failed_precondition`: it carries no token: it is not ours.
  Result<> remove_machine(const MachineId& id) override;
  // Both wait for what is running at the machine before they believe its state, but not for ever: power_off
  // cancels a start that is under way. `failed_precondition`: the machine asks something (which is said) and
  // neither goes on nor ends until it is answered.
  Result<> power_on(const MachineId& id) override;
  Result<> power_off(const MachineId& id) override;
  Result<std::unique_ptr<BlockTarget>> open_disk_to_write(const MachineId& id, const DiskId& disk) override;

 private:
  VsphereSite(VsphereOptions options, std::unique_ptr<HttpTransport> own_transport, Clock& clock,
              Random& random);

  static Result<std::unique_ptr<VsphereSite>> connect_over(VsphereOptions options, HttpTransport& transport,
                                                           std::unique_ptr<HttpTransport> own_transport,
                                                           Clock& clock, Random& random);

  // A disk within a snapshot, and one of a machine that is off.
  struct FrozenDisk;
  struct WritableDisk;

  Result<ManagedObject> locate(const MachineId& id);
  Result<ManagedObject> look_up_machine(const MachineId& id);
  Result<> start_and_finish(const VimCall& call, std::stop_token stop);
  Result<> wait_for_running_tasks(const ManagedObject& vm);
  Result<> consolidate_if_needed(const ManagedObject& vm);
  Result<ManagedObject> make_snapshot(const ManagedObject& vm, const std::string& name, bool quiesce);
  Result<TaskOutcome> try_snapshot(const ManagedObject& vm, const std::string& name, bool quiesce);
  Result<> delete_snapshot(const ManagedObject& vm, const ManagedObject& snapshot);
  Result<FrozenDisk> find_disk(const MachineSnapshot& snapshot, const DiskId& disk);
  Result<> wait_for_new_machines(const ManagedObject& folder);
  Result<MachineId> make_machine(const NewMachine& wanted, const Placement& placement);
  Result<MachineId> find_or_make(const NewMachine& wanted);
  Result<> give_firmware_variables(const MachineId& id, const NewMachine& wanted);
  Result<> write_nvram(const MachineId& id, ByteView content);
  Result<> change_power(const MachineId& id, const std::string& method, PowerState wanted);
  Result<> switch_once(const ManagedObject& vm, const std::string& method, PowerState wanted, Time deadline);
  Result<bool> settles_at(const ManagedObject& vm, PowerState wanted, Time deadline);
  Result<> wait_for_power_tasks(const ManagedObject& vm, PowerState wanted, Time deadline);
  Result<TaskOutcome> wait_for_power_task(const ManagedObject& vm, const ManagedObject& task, Time deadline);
  Result<> check_disk_command() const;
  Result<> check_datastores(const ObjectProperties& vm);
  Result<WritableDisk> find_writable_disk(const MachineId& id, const DiskId& disk);
  Result<std::string> datacenter_path(const ManagedObject& vm, const std::string& datastore);

  const VsphereOptions options_;
  Clock& clock_;
  Random& random_;
  std::unique_ptr<HttpTransport> own_transport_;
  std::unique_ptr<VimSession> session_;
  std::mutex mutex_;
  std::map<MachineId, ManagedObject> machines_by_id_;
};

}  // namespace rekindle
