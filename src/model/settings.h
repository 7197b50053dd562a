// What users set up: datacenters, AWS accounts, vaults, backup policies. Names are unique by kind.
// Secrets are sealed text; only the part that opens the connection unseals them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/machine.h"
#include "model/schedule.h"

namespace rekindle {

struct Datacenter {
  std::string name;
  std::string url;  // https://host[:port]
  std::string user;
  std::string sealed_password;
  std::string thumbprint;  // SHA-256 of the server's certificate; empty: the system's authorities decide
  std::string
      disk_command;  // serves a disk of a machine that is off, to be written; empty: no failback there
};

enum class CredentialKind { access_key, environment, profile, instance_role };

struct Account {
  std::string name;
  std::string region;
  std::string endpoint;  // empty: AWS's own
  CredentialKind credentials = CredentialKind::access_key;
  std::string access_key_id;             // if they are one
  std::string sealed_secret_access_key;  // likewise
  std::string profile;                   // of the AWS command line, if they are one
  std::string role_arn;                  // a role that is assumed with them; empty: none
  std::string sealed_external_id;
  // The EC2 instance that rekindle runs on there, and where a volume that is attached to it appears
  // (AwsSiteOptions::Proxy). Empty: none, and EC2's own place.
  std::string proxy_instance_id;
  std::string proxy_device_path;
  int image_puts_per_second = 0;  // what Service Quotas grants (L-AFAE1BE8); 0: AWS's default, 1000
};

struct VaultSettings {
  std::string name;
  std::string directory;  // or s3
  std::string s3;         // s3://bucket/prefix
  std::string region;
  std::string endpoint;  // empty: AWS's own
  std::string account;   // whose access key is used, or:
  std::string access_key_id;
  std::string sealed_secret_access_key;
  int lock_days = 0;               // nobody can remove what is put for so long; 0: not locked
  std::string lock_mode;           // "compliance", "governance"
  std::uint64_t limit_upload = 0;  // bytes per second; 0: none
  std::uint64_t limit_download = 0;
  std::string sealed_passphrase;
};

// How long recovery points live: the newest of each of so many hours, days, weeks (from Monday), months and
// years that have one, in UTC, and the last so many of all. All 0: they live for ever.
struct RetentionRules {
  int last = 0;
  int hourly = 0;
  int daily = 0;
  int weekly = 0;
  int monthly = 0;
  int yearly = 0;

  friend bool operator==(const RetentionRules&, const RetentionRules&) = default;
};

struct BackupPolicy {
  std::string name;
  std::string datacenter;
  std::string vault;
  std::vector<std::string> machines;  // names or ids
  Schedule schedule;                  // kept by 'rekindle serve'
  RetentionRules retention;
};

// Where the production of a machine runs now (invariant: never at both).
enum class RunsAt { datacenter, account };

struct ProtectedMachine {
  std::string name;  // key: as in the datacenter when it was first backed up
  MachineId id;
  std::string datacenter;
  std::string vault;
  RunsAt runs_at = RunsAt::datacenter;
};

}  // namespace rekindle
