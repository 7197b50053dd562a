// One QEMU process that runs a VM on VMware's hardware, and the disk operations that vSphere does on a
// running VM.
//
// Nodes of a disk: "disk0-base" (the flat file) and "disk0-delta3" (a qcow2 overlay). The device is "disk0",
// so "qemu-io -d disk0 ..." in the monitor writes as the guest would. A bitmap "epoch-N" on the node that the
// guest writes to records what is written in epoch N of the change tracking.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "sandbox/datacenter/machine_record.h"
#include "sandbox/qemu/qmp.h"

namespace rekindle::sandbox {

// The command line, without the accelerator's words.
std::vector<std::string> qemu_arguments(const MachineRecord& record, const MachinePlaces& places);

// One thread at a time.
class QemuMachine {
 public:
  // A process that has not run an instruction yet; with `resume` the memory saved in places.memory() is
  // loaded.
  static Result<std::unique_ptr<QemuMachine>> start(const MachineRecord& record, const MachinePlaces& places,
                                                    bool resume);
  // The process of an earlier server. `unavailable` when it is gone.
  static Result<std::unique_ptr<QemuMachine>> attach(const MachineRecord& record,
                                                     const MachinePlaces& places);

  pid_t pid() const { return pid_; }
  bool lives() const;
  Result<> run() { return command("cont"); }
  // The same after whatever a dead server left it in: a stun, or memory that was being saved.
  Result<> go_on() {
    static_cast<void>(command("migrate_cancel"));
    return run();
  }
  Result<> pause() { return command("stop"); }
  Result<> press_power_button() { return command("system_powerdown"); }
  // QEMU's word: "running", "paused", "shutdown", ...
  Result<std::string> status();
  // The port of 127.0.0.1 that leads to the guest's service.
  Result<int> host_port();
  Result<std::string> monitor(const std::string& command_line);

  // Asks the process to end and waits for it.
  Result<> quit();
  // As a power failure would.
  void kill();
  // Writes the memory to places.memory(); the machine must be paused and can only quit after.
  Result<> save_memory();

  Result<> start_recording(int unit, int delta, int epoch);
  // What was recorded; the bitmap is gone after.
  Result<Areas> take_recording(int unit, int delta, int epoch);

  // One instant for all disks: from it on the guest writes to delta `delta`, recorded as `epochs[unit]` (0:
  // not recorded), and the recordings `closing[unit]` (0: none) on the layer below stand still.
  struct Freeze {
    int below = 0;
    int delta = 0;
    std::vector<int> units;
    std::vector<int> closing;
    std::vector<int> epochs;
  };
  Result<> freeze(const Freeze& freeze);

  // Merges a delta into the layer below it, while the guest runs. When it is the one the guest writes to,
  // what is merged is recorded there as `epoch` (0: not recorded). On failure all is as before.
  Result<> merge(int unit, int delta, int below, bool is_top, int epoch);

  // The layer that the guest writes to, 0 for the flat file: what is true after a server died in between.
  Result<int> top_delta(int unit);
  Result<bool> has_layer(int unit, int delta);
  Result<bool> is_recording(int unit, int delta, int epoch);
  // Ends merges that a server left unfinished.
  Result<> cancel_jobs();

 private:
  QemuMachine(pid_t pid, MachinePlaces places, std::unique_ptr<Qmp> qmp);
  Result<> command(std::string_view name, nlohmann::json arguments = nlohmann::json::object());
  // Does it while the guest stands still; one that ran before goes on, also when it failed.
  Result<> while_stunned(const std::function<Result<>()>& change);
  Result<> add_layer(int unit, int delta);
  Result<> await_merge(const std::string& job, bool is_top);
  Result<> await_memory();
  Result<> start_nbd_server(const std::filesystem::path& socket);
  Result<> remove_export(const std::string& id);
  Result<Areas> read_recording(const std::string& node, const std::string& bitmap);

  const pid_t pid_;
  const std::string monitor_path_;
  const MachinePlaces places_;
  std::unique_ptr<Qmp> qmp_;
  int last_job_ = 0;
};

}  // namespace rekindle::sandbox
