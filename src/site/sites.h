// The sites by the names the user gave them. Connects at first use and keeps the connection.
#pragma once

#include <string>

#include "base/result.h"
#include "site/guest_scripts.h"
#include "site/recovery_target.h"
#include "site/restore_target.h"
#include "site/snapshot_source.h"

namespace rekindle {

// Any thread. What is returned lives as long as this object.
class Sites {
 public:
  virtual ~Sites() = default;
  virtual Result<SnapshotSource*> datacenter(const std::string& name) = 0;
  virtual Result<RestoreTarget*> restore_target(const std::string& datacenter) = 0;
  virtual Result<RecoveryTarget*> account(const std::string& name) = 0;
  // The instances that run there, as machines that can be frozen and read: their ids are instance ids.
  virtual Result<SnapshotSource*> instances_of(const std::string& account) = 0;
  virtual Result<GuestScripts*> guest_scripts(const std::string& account) = 0;
};

}  // namespace rekindle
