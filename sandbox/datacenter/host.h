// The host: its VMs and its tasks, without any protocol. Everything about it is in one directory.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "sandbox/datacenter/machine.h"

namespace rekindle::sandbox {

// What a new VM is made from.
struct MachineSpec {
  std::string name;
  // A folder with disk.raw (and disk1.raw, ...) and guest.json, as sandbox/guests/build makes it; if absent,
  // disks are empty.
  std::filesystem::path guest_directory;
  std::vector<std::uint64_t> empty_disks_bytes;
  bool start = true;
  bool run_cpus = true;         // false: it is on, but stands before its first instruction
  bool use_saved_state = true;  // resume what prepare_saved_state left, if it is there
};

// Lets waiters sleep until something changes.
class ChangeSignal {
 public:
  void raise();
  std::uint64_t count() const;
  // Returns when more than `seen` changes have happened, at the deadline, or when stopped.
  void wait(std::uint64_t seen, std::chrono::steady_clock::time_point deadline) const;
  void stop();
  bool stopped() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable raised_;
  std::uint64_t count_ = 0;
  bool stopped_ = false;
};

// Any thread may call any method. A machine that is taken stays usable while others remove it.
class Host {
 public:
  // Takes up what lies in the directory: machines that still run, and those that do not.
  static Result<std::unique_ptr<Host>> open(const std::filesystem::path& directory);
  ~Host();  // machines go on running

  Result<std::shared_ptr<Machine>> add(const MachineSpec& spec);
  // A VM that is off, of that hardware, with empty disks of the record's sizes. Its number, its UUIDs and, if
  // there is none, its network address are made here.
  Result<std::shared_ptr<Machine>> create(const MachineRecord& hardware);
  std::vector<std::shared_ptr<Machine>> machines() const;
  std::shared_ptr<Machine> find(const std::string& id) const;            // nullptr if there is none
  std::shared_ptr<Machine> find_by_name(const std::string& name) const;  // the same
  // Forgets the machine; its files stay, unless `destroy`: then `unavailable` while a disk of it is open.
  Result<> remove(const std::string& id, bool destroy);

  // SIGKILL to every machine, at once, and nothing is tidied up. The directory is marked: open() refuses it
  // until revive().
  Result<> strike();
  static Result<> revive(const std::filesystem::path& directory);

  std::filesystem::path datastore() const { return directory_ / "datastore1"; }
  ChangeSignal& changes() { return changes_; }

 private:
  Host(std::filesystem::path directory, FileLock lock);
  Result<> load_all();
  using Maker = std::function<Result<std::shared_ptr<Machine>>(int number)>;
  Result<std::shared_ptr<Machine>> add_made(const std::string& name, const Maker& make);
  Result<std::shared_ptr<Machine>> make_machine(const MachineSpec& spec, int number);
  Result<std::shared_ptr<Machine>> make_empty_machine(MachineRecord record, int number);
  int port_of(const std::string& mac) const;
  void remove_half_made(int number);
  void watch(const std::stop_token& stop);
  MachinePlaces places_of(int number) const;

  const std::filesystem::path directory_;
  const FileLock lock_;
  ChangeSignal changes_;
  std::mutex adding_;
  int last_number_ = 0;  // under adding_
  mutable std::mutex mutex_;
  std::map<int, std::shared_ptr<Machine>> machines_;
  std::map<std::string, int> ports_of_removed_;  // by MAC
  std::jthread watcher_;                         // last: it uses all of the above
};

}  // namespace rekindle::sandbox
