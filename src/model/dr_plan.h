// The DR plan, the DR copies it keeps, and the failovers made of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"
#include "model/machine.h"
#include "model/schedule.h"

namespace rekindle {

// How the volumes of a machine are made. Absent fields are those of the account: gp3, its own speed, as its
// images are encrypted.
struct VolumeSettings {
  std::string type;  // "gp3", "io2", ...
  int iops = 0;
  int throughput = 0;  // MiB/s; of gp3
  std::optional<bool> encrypted;
  std::string kms_key;  // id, alias or ARN; with `encrypted`

  friend bool operator==(const VolumeSettings&, const VolumeSettings&) = default;
};

// How one machine starts at the recovery site. A field that is absent (empty) is inherited, see
// settings_of().
struct FailoverSettings {
  std::string instance_type;  // "t3.small"; "auto": the smallest that has the machine's vCPUs and memory
  std::vector<std::string> other_instance_types;  // tried in turn where AWS has no capacity for it
  std::string subnet_id;
  std::vector<std::string>
      other_subnets;  // tried in turn, each with all types, where this one's zone has no capacity
  std::vector<std::string> security_group_ids;
  // An address; "auto": any free one; "same-host": the host part of `same_host_as`, or, in a test, of the
  // production's address, in this subnet's range.
  std::string private_ip;
  std::string same_host_as;  // "192.168.7.20": the machine's address in the datacenter
  // "subnet": as the subnet does it; "yes"; "no"; "eipalloc-...": this Elastic IP.
  std::string public_ip;
  std::string instance_profile;  // name or ARN
  std::string user_data;         // as text
  std::optional<bool> source_dest_check;
  std::optional<bool> leave_stopped;  // launched, its service not waited for, then stopped
  // What must answer: a URL with {private_ip} or {public_ip} (http, https; "tcp://{private_ip}:5432": that
  // the port accepts); "status": AWS's own checks of the instance; "console:PATTERN": what its serial console
  // says, see ConsolePattern. Empty: running is enough.
  std::string health_check;
  VolumeSettings volumes;
  std::map<std::string, std::string> tags;

  friend bool operator==(const FailoverSettings&, const FailoverSettings&) = default;
};

// How a machine comes home. A field that is absent (empty) is inherited from the plan's.
struct FailbackSettings {
  std::string datacenter;  // none: the one that it came from
  std::string datastore;   // of a new machine; none: the one with the most room
  // Network as the machine knows it -> network of the datacenter. Others keep their name.
  std::map<std::string, std::string> networks;
  std::string test_network;  // isolated: where test failbacks are connected
  std::string health_check;  // URL that answers when it runs there; none: powered on is enough

  friend bool operator==(const FailbackSettings&, const FailbackSettings&) = default;
};

struct PlanMachine {
  std::string machine;  // name of a protected machine
  FailoverSettings production;
  FailoverSettings test;
  FailbackSettings failback = {};
};

// What a failed machine or script means for the steps that follow.
enum class OnFailure { abort, go_on };

// A step of the recovery workflow: its machines are started at once, side by side.
struct PlanStep {
  std::string name;
  std::vector<std::string> machines;
  int delay_seconds = 0;  // to wait before
  bool approval = false;  // to be asked before: 'rekindle failover approve'
  std::string script;     // run by /bin/sh after its machines answer; see recover/script.h
  // Of this step or an earlier one: it is run inside each of them by the site's agent there, see
  // recover/guest_script.h. None: where rekindle runs.
  std::vector<std::string> script_on;
  int script_seconds = 300;
  OnFailure on_failure = OnFailure::abort;
};

// What a DR copy is: images, or beside them a template that is ready to launch.
enum class DrWorkflow { snapshots, ami };
enum class ConvertWhen { ahead, at_failover };
enum class ImageWriting { direct, volume };  // by the EBS direct APIs, or through a volume at the AWS proxy

struct DrPlan {
  std::string name;
  std::string account;
  Schedule replicate{ScheduleKind::after_backup};
  DrWorkflow workflow = DrWorkflow::snapshots;
  ConvertWhen convert = ConvertWhen::ahead;
  ImageWriting write = ImageWriting::direct;
  bool verify_all = false;         // read back every block, not only what was written and a sample
  int keep_copies = 1;             // complete DR copies of a machine, the newest among them
  bool encrypt_copies = false;     // their images; else as the account does it by default
  std::string copies_kms_key;      // id, ARN or alias; of encrypted copies; empty: the account's own
  int health_check_seconds = 300;  // how long a service may take to answer
  FailoverSettings production;     // of all machines, unless they say otherwise
  FailoverSettings test;
  FailbackSettings failback = {};
  int keep_days = 7;                           // instances of machines that came home stay so long, stopped
  std::chrono::minutes test_expires_after{0};  // of test failovers, unless they say otherwise; 0: never
  std::vector<PlanMachine> machines;
  std::vector<PlanStep> steps;  // none: all machines at once
};

struct DrCopyDisk {
  DiskId disk_id;
  ImageId image_id;
  std::uint64_t size_bytes = 0;
};

// A block of the boot disk that conversion changed: the copy holds what EC2 needs, the recovery point what
// the machine had.
struct ConvertedBlock {
  std::uint64_t index = 0;  // of 512 KiB
  std::string sha256;       // hex, of the converted content

  friend bool operator==(const ConvertedBlock&, const ConvertedBlock&) = default;
};

struct CertificateCheck {
  std::string name;  // "initrd"
  bool passed = false;
  std::string detail;
};

// Whether the copy would boot on EC2, by looking at every part that has to be right.
struct BootCertificate {
  bool would_boot = false;
  std::string reason;  // why not
  std::vector<CertificateCheck> checks;
  std::vector<std::string> warnings;
  RecoveryPointId recovery_point_id;
  std::vector<std::string> content_ids;  // hex, of each disk: the roots of the recovery point's hash trees
  std::string signature;                 // hex, by the vault's key, of all of the above
};

// A disk of a copy that was read back, and is not what the recovery point says.
struct CopyDamage {
  DiskId disk_id;
  std::uint64_t block = 0;   // the first that differs, of 512 KiB
  std::uint64_t blocks = 0;  // that were found to differ, in all
  Time found{};
};

// pending: being written. current: complete, verified, the one that failover uses. kept: replaced, and still
// whole, as the plan says; for a failover from its point. retired: replaced. aside: of an earlier recovery
// point, complete and verified, for one failover.
enum class DrCopyState { pending, current, kept, retired, aside };

struct DrCopy {
  std::string id;
  JobId job_id;  // that made it: the ledger knows its images by it
  std::string plan;
  std::string machine;
  std::string account;  // that holds the images
  RecoveryPointId recovery_point_id;
  Time recovery_point_time{};
  Firmware firmware = Firmware::bios;
  int vcpus = 0;
  std::uint64_t memory_mib = 0;
  DrCopyState state = DrCopyState::pending;
  std::vector<DrCopyDisk> disks;  // the first is the boot disk
  // Converted ahead: these blocks of the boot disk are not those of the recovery point. None: the copy is the
  // recovery point, bit for bit.
  std::vector<ConvertedBlock> overlay;
  bool converted = false;     // ready to launch as it is
  nlohmann::json conversion;  // what was changed, for people
  std::optional<BootCertificate> certificate;
  TemplateId template_id;  // the AMI that is kept ready; empty: registered at failover
  // As the plan asked for when its images were made of nothing.
  bool encrypted = false;
  std::string kms_key;
  std::vector<CopyDamage> damaged;  // the next replication makes these disks anew
};

enum class FailoverKind { test, production };
// running: the instance is there. returned: the machine went home, the instance is stopped and kept until
// `keep_until`. released: it is gone, or is about to be.
enum class FailoverState { running, returned, released };

struct Failover {
  std::string id;
  JobId job_id;  // that made it: the ledger knows its instance by it
  std::string plan;
  std::string machine;
  std::string account;
  FailoverKind kind = FailoverKind::production;
  FailoverState state = FailoverState::running;
  InstanceId instance_id;
  std::string private_ip;
  std::string public_ip;
  RecoveryPointId recovery_point_id;
  Time recovery_point_time{};
  Time started{};
  Time finished{};
  Time keep_until{};
  Time expires{};                       // of a test: 'rekindle serve' ends it then; Time(): never
  RecoveryPointId returned_point = {};  // of a returned one: the last that was brought home
  // The DR copy it was started from: what the instance's volumes are compared with. Absent images: whole.
  std::vector<DrCopyDisk> disks;
  std::vector<ConvertedBlock> overlay;  // in which the boot disk's image is not the recovery point
  // The machine was born there, and taken into the plan later (protect/adopted_machine.h): there is no DR
  // copy that it was started from, its recovery point holds zeros, and its instance is not ours to remove.
  bool born_there = false;
  // The instance's volumes as it was launched, one of each disk and in their order. Empty in the records of
  // earlier versions.
  std::vector<std::string> volume_ids;
};

inline bool runs_in_production(const Failover& failover) {
  return failover.kind == FailoverKind::production && failover.state == FailoverState::running;
}

// Whether a test failover's time is over.
inline bool has_expired(const Failover& failover, Time now) {
  return failover.kind == FailoverKind::test && failover.state == FailoverState::running &&
         failover.expires != Time() && now >= failover.expires;
}

// A person's yes to a step of a running failover of a plan.
struct Approval {
  std::string id;  // job and step: approval_id()
  Time time{};
};

// `not_found` names the machines that the plan holds.
Result<const PlanMachine*> find_machine(const DrPlan& plan, const std::string& machine);

// Of those that a user named a choice of: whether the machine is among them, or none was named, which is all.
bool is_chosen(const std::vector<std::string>& named, const std::string& machine);

// What holds for this machine: the plan's production settings, over them the machine's; in a test over both
// the plan's test settings, and the machine's test settings last, so that what isolates a test wins. Tags are
// joined.
FailoverSettings settings_of(const DrPlan& plan, const PlanMachine& machine, FailoverKind kind);

// The machine's over the plan's; networks are joined.
FailbackSettings failback_settings_of(const DrPlan& plan, const PlanMachine& machine);

// The steps as they will be done: the plan's, and, before the first, the machines that no step names.
std::vector<PlanStep> steps_of(const DrPlan& plan);

// Whether the plan makes sense by itself: names, steps, schedules, values. `invalid_argument` says which
// field is wrong.
Result<> check_plan(const DrPlan& plan);

std::string approval_id(const JobId& job, const std::string& step);

}  // namespace rekindle
