// The DR plan, the DR copies it keeps, and the failovers made of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/ids.h"
#include "model/machine.h"

namespace rekindle {

// How one machine starts at the recovery site.
struct FailoverSettings {
  std::string instance_type;
  std::string subnet_id;
  std::vector<std::string> security_group_ids;
  std::string private_ip;    // empty: any free one
  std::string health_check;  // URL with {private_ip} or {public_ip}; empty: running is enough
  std::map<std::string, std::string> tags;
};

struct PlanMachine {
  std::string machine;  // name of a protected machine
  FailoverSettings settings;
};

struct DrPlan {
  std::string name;
  std::string account;
  int replicate_every_minutes = 0;  // 0: after every backup
  int health_check_seconds = 300;   // how long a service may take to answer
  std::vector<PlanMachine> machines;
};

struct DrCopyDisk {
  DiskId disk_id;
  ImageId image_id;
  std::uint64_t size_bytes = 0;
};

// pending: being written. current: complete, verified, the one that failover uses. retired: replaced.
enum class DrCopyState { pending, current, retired };

struct DrCopy {
  std::string id;
  JobId job_id;  // that made it: the ledger knows its images by it
  std::string plan;
  std::string machine;
  std::string account;  // that holds the images
  RecoveryPointId recovery_point_id;
  Time recovery_point_time{};
  Firmware firmware = Firmware::bios;
  DrCopyState state = DrCopyState::pending;
  std::vector<DrCopyDisk> disks;  // the first is the boot disk
};

enum class FailoverKind { test, production };
enum class FailoverState { running, released };

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
};

}  // namespace rekindle
