// The local AWS region: EC2, the EBS direct APIs and STS, and of IAM, KMS, Service Quotas and Systems Manager
// what Rekindle asks, on one HTTP port, for trying, drilling and testing without AWS. It answers as the
// public documentation of AWS says; what it does not implement it refuses with InvalidAction.
//
// Everything lives under one directory:
//   region.db              what exists (SQLite)
//   roles.json             IAM roles
//   account.json           quotas, KMS keys, instance profiles
//   layers/                the bytes of volumes and snapshots, copy-on-write (qcow2_layer.h)
//   fetched/<volume>.qcow2 what a volume that is filled slowly has of its snapshot already (slow_volumes.cc)
//   instances/<id>/        console.log, qemu.log, qmp.sock of each instance; imds.sock and wire.sock: the two
//                          ends of its cable to the metadata service
//   attached/<id>/<device> a volume attached to a proxy, as a file of the volume's size
//
// Instances are QEMU processes. They and the attached files outlive the server: after a stop, a crash or kill
// -9, the next start() on the same directory goes on with them.
//
// A *proxy* is an instance without QEMU: it stands for a process on this computer. AttachVolume to it with
// /dev/sdf makes attached/<proxy>/sdf; DetachVolume removes it.
//
// Port 80 of an instance is reached at its public address, a loopback address of its own (127.64.0.0/10).
// Listening there needs root, or net.ipv4.ip_unprivileged_port_start=80.
//
// Beside AWS's calls, unsigned and for tests (the region listens on 127.0.0.1 unless told otherwise):
//   POST   /rekindle-sandbox/faults     a fault rule, or {"not_found_window_ms": n}   (faults.h)
//   DELETE /rekindle-sandbox/faults     no more faults
//   POST   /rekindle-sandbox/knobs      {"snapshot_ready_ms": 5000}: from now on (knobs.h)
//   GET    /rekindle-sandbox/knobs      as they are; DELETE: as they were at the start
//   GET    /rekindle-sandbox/calls      counts of calls and bytes by action; DELETE: from zero again
//   GET    /rekindle-sandbox/inventory  all that exists
//   POST   /rekindle-sandbox/proxies    {"name": "proxy-1"} -> {"instance_id": ..., "attached": directory}
//   POST   /rekindle-sandbox/roles      {"name": "dr", "external_id": "...", "of_instances": true, "policy":
//                                       {"Version": "2012-10-17", "Statement": [...]}}: an IAM role
//                                       for AssumeRole, and for the instances (roles.h)
//   POST   /rekindle-sandbox/quotas     {"vcpus": 32}: of running on-demand Standard instances; or
//                                       {"code": "L-7A658B76", "value": 50}: of EBS, told and not kept;
//                                       null: the default
//   POST   /rekindle-sandbox/keys       {"id": "1234abcd-...", "alias": "alias/dr"}: of KMS
//   POST   /rekindle-sandbox/instance-profiles   {"name": "web-role", "role": "web"}: of IAM
//   PUT, GET /latest/...                the instance metadata service of the proxies, version 2 (metadata.h);
//                                       an instance's is at 169.254.169.254, as on EC2
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "sandbox/region/faults.h"
#include "sandbox/region/knobs.h"

namespace rekindle::sandbox {

struct RegionOptions {
  std::filesystem::path directory;  // at most 60 characters: sockets lie in it
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  std::string name = "us-east-1";
  std::string account_id = "000000000000";
  std::string access_key;
  std::string secret_key;

  Knobs knobs;  // as it begins
  std::chrono::milliseconds terminated_kept{std::chrono::hours(1)};
  // The minute of StartSnapshot's Timeout, and how long tokens live.
  std::chrono::milliseconds timeout_minute{60000};
  std::chrono::milliseconds block_token_life{std::chrono::hours(24 * 7)};
  std::chrono::milliseconds page_token_life{std::chrono::hours(1)};

  std::size_t pending_snapshots = 100;  // quota
  // What a guest really gets: its type's memory, but not more than this; one vCPU.
  std::int64_t guest_memory_mib = 512;
};

class Region {
 public:
  // `invalid_argument` for options that cannot be, `unavailable` when the port is taken or another server has
  // the directory.
  static Result<std::unique_ptr<Region>> start(RegionOptions options);
  // Stops answering; instances and attached volumes go on.
  virtual ~Region() = default;

  virtual std::uint16_t port() const = 0;
  virtual std::string endpoint() const = 0;  // "http://127.0.0.1:4566"

  struct Proxy {
    std::string instance_id;
    std::filesystem::path attached;  // directory of its volumes
  };
  // The proxy of that name, made if there is none.
  virtual Result<Proxy> register_proxy(const std::string& name) = 0;

  struct Network {
    std::string vpc_id, subnet_id, security_group_id;
  };
  // A VPC with one subnet and one security group that lets HTTP in, by the calls that a client would make.
  virtual Result<Network> make_network(const std::string& vpc_cidr, const std::string& subnet_cidr) = 0;

  virtual Faults& faults() = 0;
  virtual std::map<std::string, CallCount> calls() const = 0;
  virtual std::string inventory_json() = 0;
  virtual std::uint64_t disk_usage_bytes() const = 0;

  // Ends every instance and export, at once. Snapshots and volumes stay.
  virtual Result<> terminate_everything() = 0;
};

}  // namespace rekindle::sandbox
