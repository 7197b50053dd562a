// What is known of a VM: all that survives a restart, of the server and of the VM.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sandbox/datacenter/change_tracking.h"

namespace rekindle::sandbox {

// The networks of the host: of the first, the guest's service is reached from here; of the second there is no
// way in or out.
constexpr auto default_network = "VM Network";
constexpr auto isolated_network = "Isolated";

enum class PowerState { off, on, suspended };
std::string_view to_string(PowerState state);  // as vim25 spells it: "poweredOff", ...

// A disk is a flat file and a chain of deltas on top of it, one for each snapshot (or left by one). The guest
// writes to the last.
struct DiskRecord {
  int key = 2000;  // vim25's device key
  std::uint64_t capacity_bytes = 0;
  std::string uuid;  // "6000C29x-...": stays with the disk
  ChangeTracking tracking;

  int unit() const { return key - 2000; }
};

struct DiskAtSnapshot {
  int key = 0;
  std::string change_id;  // "" when changes are not tracked
  int epoch = 0;          // that begins here
};

struct SnapshotRecord {
  int number = 0;
  std::string name;
  std::string description;
  Time created;
  bool quiesced = false;
  PowerState power = PowerState::off;
  int delta = 0;  // the delta that was put on top; the frozen disks are those below it
  std::vector<DiskAtSnapshot> disks;
};

// A disk that a program outside reads and writes while the machine is off: the datacenter serves it by a
// process of its own.
struct OpenDisk {
  int key = 0;
  pid_t server = 0;
};

struct MachineRecord {
  int number = 0;
  std::string name;
  std::string uuid;  // BIOS
  std::string instance_uuid;
  std::string guest_id = "otherLinux64Guest";
  std::string firmware = "bios";           // or "uefi"
  std::string disk_controller = "pvscsi";  // or "ahci"
  int memory_mib = 512;
  int vcpus = 1;
  std::string mac;
  std::string network = default_network;
  int http_port = 80;    // of the guest
  bool run_cpus = true;  // false: powered on, it stands before its first instruction (for tests of disks)

  PowerState power = PowerState::off;
  pid_t pid = 0;  // of QEMU, while on
  int host_port =
      0;  // where the guest's http_port is reached; kept from run to run if it is still free; 0: nowhere
  Time boot_time;

  bool change_tracking_enabled = false;
  bool consolidation_needed = false;
  int last_delta = 0;
  int last_snapshot = 0;
  std::vector<int> deltas;                // of every disk, bottom up
  std::vector<SnapshotRecord> snapshots;  // oldest first: each is the parent of the next
  std::vector<DiskRecord> disks;
  std::vector<OpenDisk> open_disks;                 // what is written to them is not in their tracking yet
  std::map<std::string, std::string> extra_config;  // that clients gave

  std::string id() const { return std::to_string(number); }
  bool is_reachable() const { return network == default_network; }
  const SnapshotRecord* find_snapshot(int snapshot_number) const;
  const DiskRecord* find_disk(int key) const;
  // Deltas under the snapshot, bottom up: with the flat file they are the frozen disk.
  std::vector<int> frozen_deltas(const SnapshotRecord& snapshot) const;
  // A delta is needed as long as its snapshot exists.
  bool delta_is_needed(int delta) const;

  nlohmann::json to_json() const;
  // `corrupt` when it is not what to_json made.
  static Result<MachineRecord> from_json(const nlohmann::json& json);
};

// Where the files of a VM are.
struct MachinePlaces {
  std::filesystem::path datastore;  // of the whole host: what /folder serves
  std::filesystem::path state;      // of this VM only

  std::filesystem::path home(const MachineRecord& record) const { return datastore / record.name; }
  // "web.vmdk", "web_1.vmdk", and with deltas "web-000003.vmdk": names inside home().
  static std::string disk_name(const MachineRecord& record, int unit, int delta = 0);
  std::filesystem::path flat(const MachineRecord& record, int unit) const;
  std::filesystem::path delta(int unit, int number) const;
  std::filesystem::path nvram(const MachineRecord& record) const {
    return home(record) / (record.name + ".nvram");
  }
  std::filesystem::path monitor() const { return state / "qmp"; }
  std::filesystem::path memory() const { return state / "memory"; }
  std::filesystem::path serial() const { return state / "serial.log"; }
  std::filesystem::path record() const { return state / "machine.json"; }
};

}  // namespace rekindle::sandbox
