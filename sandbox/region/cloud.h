// The region's resources and the machinery behind them: what the handlers of the calls work on.
// Nothing here locks: whoever calls holds `mutex` (the dispatcher of EC2 calls, the ticker, the EBS direct
// handlers).
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "sandbox/region/account_settings.h"
#include "sandbox/region/block_holder.h"
#include "sandbox/region/faults.h"
#include "sandbox/region/layer_store.h"
#include "sandbox/region/machine.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/region.h"
#include "sandbox/region/state.h"
#include "sandbox/region/volume_export.h"

namespace rekindle::sandbox {

class Cloud {
 public:
  static Result<std::unique_ptr<Cloud>> open(RegionOptions options);

  const RegionOptions& options() const { return options_; }
  State& state() { return *state_; }
  LayerStore& layers() { return *layers_; }
  Faults& faults() { return faults_; }
  AccountSettings& account() { return *account_; }
  const AccountSettings& account() const { return *account_; }
  Knobs& knobs() { return knobs_; }
  std::int64_t now_ms();
  std::int64_t opened_ms() const { return opened_ms_; }  // when this server began
  std::mutex& mutex() { return mutex_; }
  std::vector<std::string> zones() const;
  std::string zone() const { return zones().front(); }  // where no other is asked for

  // A new resource of that kind, with its id and time of birth; not yet in the state.
  template <typename T>
  T make() {
    T resource;
    resource.id = std::string(T::kind) + "-0" + random_.hex(8);
    resource.created_ms = now_ms();
    return resource;
  }
  // `resource` is in `passing` now and becomes `final` after the delay.
  template <typename T>
  void begin(T& resource, const char* passing, const char* final, std::chrono::milliseconds delay) {
    resource.state = passing;
    resource.next_state = final;
    resource.due_ms = now_ms() + delay.count();
  }
  // The resource, or T::not_found (also while eventual consistency hides it).
  template <typename T>
  Outcome<T> require(const std::string& id) {
    auto found = state_->find<T>(id);
    if (!found || hidden(*found)) {
      return refuse(T::not_found, "The {} '{}' does not exist", T::type_name, id);
    }
    return *std::move(found);
  }
  bool hidden(const Resource& resource);

  // --- volumes (volume_layers.cc)
  struct VolumeWish {
    std::int64_t size_gib = 0;  // 0: that of the snapshot
    std::string snapshot_id;    // empty: of zeros, or of noise
    std::string type;           // empty: gp2
    std::string zone;
    std::int64_t initialization_rate = 0;  // MiB/s; 0: that of the knobs
    bool encrypted = false;                // it is also if its snapshot is, or by default
  };
  Outcome<Volume> make_volume(const VolumeWish& wish);
  // Freezes the volumes' contents at one instant: afterwards their former layers are nobody's to write, and
  // they have new ones on top. Returns the ids of the frozen layers, in the same order. They are one volume,
  // or all of one instance; several of a proxy are refused, for each has a process of its own. Commits the
  // state on the way.
  Outcome<std::vector<std::string>> freeze(std::vector<Volume> volumes);
  Outcome<> export_volume(const Volume& volume);
  Outcome<> end_export(const Volume& volume);
  // After a crash between the switch of layers and the commit: which of the two the holder writes.
  Result<> settle_interrupted_freezes();
  std::vector<Volume> volumes_of(const std::string& instance_id) const;
  Result<> collect_garbage();

  // --- instances (instance_life.cc)
  std::filesystem::path instance_directory(const std::string& instance_id) const;
  MachineDisk disk_of(const Volume& volume, const Instance& instance) const;
  pid_t machine_pid(const std::string& instance_id);
  void kill_machine(const std::string& instance_id);
  Result<> release_instance(Instance instance);  // its volumes and processes; it is terminated then

  // --- commands (command_life.cc)
  // Ends what has timed out or can never be delivered, and forgets what is old.
  void expire_commands();

  // Does what time has brought: passes states on, starts and ends machines, notices dead ones.
  Result<> tick();
  // Exports and machines as the state says, after a restart of the server.
  Result<> resume();

 private:
  explicit Cloud(RegionOptions options) : options_(std::move(options)), knobs_(options_.knobs) {}
  template <typename T>
  void pass_states_on();
  void expire_direct_snapshots();
  void tick_instance(Instance instance);
  void start_instance(Instance instance);
  void restart_instance(Instance instance);
  void fail_start(Instance instance, const std::string& why);
  void tick_pending(Instance instance);
  void end_instance(Instance instance);
  Result<> start_machine_of(Instance& instance);
  std::filesystem::path holder_socket(const Volume& volume) const;
  // That each volume's next layer is the one to write now.
  Result<> tell_holder(const std::filesystem::path& socket, const std::vector<Volume>& volumes) const;
  VolumeExport export_of(const Volume& volume) const;
  DiskLayers layers_of(const Volume& volume) const;
  // A new layer for the volume to write; over noise if it is encrypted.
  Result<std::string> layer_over(const Volume& volume, std::string parent);
  // The volume's blocks come out of the snapshot at the wished or the usual rate.
  Result<> begin_slowness(Volume& volume, const Snapshot& snapshot);
  // Of volumes that had the time to get all of theirs.
  void end_slow_volumes();
  std::filesystem::path fetched_file(const std::string& volume_id) const;
  Result<> collect_fetched() const;  // of volumes that are gone

  const RegionOptions options_;
  std::mutex mutex_;
  std::int64_t opened_ms_ = 0;
  SystemClock clock_;
  SystemRandom random_;
  Faults faults_;
  Knobs knobs_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<State> state_;
  std::unique_ptr<LayerStore> layers_;
  std::unique_ptr<AccountSettings> account_;
  std::map<std::string, pid_t> machines_;  // as far as looked for
  std::map<std::string, int> starts_;      // of instances that are pending
};

}  // namespace rekindle::sandbox
