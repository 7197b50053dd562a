// A VM of the local datacenter: its record, its files and, while it is on, its QEMU process.
//
// Invariants:
// 1. What record() says has been written to its file; a server that starts later finds the same.
// 2. A snapshot's frozen disk never changes: the flat file is written only by a merge that removes the last
//    snapshot on it.
// 3. A change id that is answered at all is answered with every block that was written since.
// 4. A disk that is open for writing outside is in the record before anything can be written; it leaves the
//    record together with what was written, or, if that is not known any more, with all of the disk as
//    written.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "base/random.h"
#include "base/result.h"
#include "sandbox/datacenter/disk_server.h"
#include "sandbox/datacenter/machine_record.h"
#include "sandbox/datacenter/qemu_machine.h"

namespace rekindle::sandbox {

// Any thread may call any method; operations wait for one another. `failed_precondition`: not in this power
// state. `unavailable`: a disk is open for writing.
class Machine {
 public:
  // `changed` is called after every change of the record, from any thread; it must not call back.
  using Changed = std::function<void()>;
  // A new machine, powered off (or suspended, if its record says so); its flat files are in place already.
  static Result<std::unique_ptr<Machine>> create(MachineRecord record, MachinePlaces places, Changed changed);
  // The machine of an earlier server, with its process if that still lives; else it has crashed.
  static Result<std::unique_ptr<Machine>> load(MachinePlaces places, Changed changed);

  MachineRecord record() const;
  const MachinePlaces& places() const { return places_; }

  Result<> power_on();   // resumes a suspended machine
  Result<> power_off();  // as by pulling the plug; but nothing that was written is lost to the tracking
  Result<> press_power_button();
  Result<> suspend();
  // Kills QEMU, if it runs. The next look_after() finds a crashed machine.
  void kill();

  struct SnapshotRequest {
    std::string name;
    std::string description;
    bool quiesce = false;
  };
  // The new snapshot's number.
  Result<int> create_snapshot(const SnapshotRequest& request);
  enum class Merge { now, fail };  // fail: leaves the delta where it is, consolidation is needed
  Result<> remove_snapshot(int number, bool with_children, Merge merge = Merge::now);
  Result<> remove_all_snapshots(Merge merge = Merge::now);
  // Merges deltas that no snapshot needs.
  Result<> consolidate();

  // Tracking begins at the next stun: power on, snapshot, removal of a snapshot.
  Result<> set_change_tracking(bool enabled);
  // Forgets what was tracked: no change id from before is known any more.
  Result<> reset_change_tracking();
  // What changed on a disk from `change_id` ("*": what is in use) to the snapshot, or to now (0) while the
  // machine does not run. `failed_precondition`: the change id is not known; `invalid_argument`; `not_found`:
  // no such disk or snapshot.
  Result<Areas> changed_areas(int snapshot, int disk_key, const std::string& change_id) const;

  // Serves a disk of a machine that is off and has no snapshots, read-write over NBD at a Unix socket, until
  // close_disk() or until the process `client` is gone. Nothing else can be done with the machine meanwhile.
  Result<> open_disk(int key, const std::filesystem::path& socket, pid_t client);
  // What was written is in the change tracking after. `not_found`: it is not open (any more).
  Result<> close_disk(int key);

  // A line for QEMU's monitor, of a machine that is on.
  Result<std::string> monitor(const std::string& command_line);
  // Notices a crash and a guest that has shut down. Returns at once while an operation runs.
  void look_after();
  // Removes all files; the machine must not be used after.
  Result<> destroy();

 private:
  Machine(MachineRecord record, MachinePlaces places, Changed changed);
  // Shows `change` a copy of the record, writes it to its file, and only then takes it over.
  Result<> change_record(const std::function<void(MachineRecord& next)>& change);
  Result<> start_qemu();
  Result<> keep_process(QemuMachine& qemu);
  Result<> let_run();
  Result<> start_recordings();
  Result<> keep_recordings();
  Result<> stop_qemu(PowerState next);
  void mourn();
  Result<> reattach();
  Result<> reconcile_layers();
  Result<> freeze_running(int delta, MachineRecord& next);
  Result<> merge_unneeded();
  Result<> merge_one(int delta);
  Result<> remove_snapshots(const std::function<bool(const SnapshotRecord&)>& leaves, Merge merge);
  std::filesystem::path layer_path(int unit, int delta) const;
  Result<> check_unlocked() const;
  Result<> keep_disk_open(int key, DiskServer& server, const std::filesystem::path& socket);
  Result<> close_open_disk(int key);
  Result<> forget_open_disk(int key, const Areas& written);
  Result<> close_forgotten_disks();
  void close_abandoned_disks();
  ServedFile served_file(int key) const;

  struct ServedDisk {
    std::unique_ptr<DiskServer> server;
    pid_t client = 0;
  };
  const MachinePlaces places_;
  const Changed changed_;
  SystemRandom random_;
  mutable std::mutex record_mutex_;
  MachineRecord record_;
  std::mutex operation_;  // held by whoever uses or replaces what follows
  std::unique_ptr<QemuMachine> qemu_;
  std::map<int, ServedDisk> served_;  // by key
};

}  // namespace rekindle::sandbox
