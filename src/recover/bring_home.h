// A recovery point into the disks of a machine that is off at home: only what differs there.
#pragma once

#include <map>
#include <stop_token>
#include <vector>

#include "disk/block_device.h"
#include "jobs/job_runner.h"
#include "model/recovery_point.h"
#include "site/restore_target.h"
#include "vault/vault.h"

namespace rekindle {

// Writes only where the disk below holds something else: reads before it writes, 64 KiB at a time. For a disk
// of which nobody knows what it holds. Any number of threads.
class SparingTarget final : public BlockTarget {
 public:
  explicit SparingTarget(BlockTarget& disk) : disk_(disk) {}  // which outlives this

  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return disk_.read_at(offset, bytes); }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> write_zeros(std::uint64_t offset, std::uint64_t length) override;
  Result<> flush() override { return disk_.flush(); }

 private:
  BlockTarget& disk_;
};

// What passes through to the disk below, counted.
class CountingTarget final : public BlockTarget {
 public:
  explicit CountingTarget(BlockTarget& disk) : disk_(disk) {}  // which outlives this

  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return disk_.read_at(offset, bytes); }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> write_zeros(std::uint64_t offset, std::uint64_t length) override;
  Result<> flush() override { return disk_.flush(); }
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  BlockTarget& disk_;
  std::atomic<std::uint64_t> bytes_written_ = 0;
};

// What is known of a disk at home before it is written.
struct DiskAtHome {
  DiskId at_home;
  DiskId in_point;
  bool known = false;  // outside `areas` it holds what the point `base` holds
  Extents areas;
  bool blank = false;  // it is new: all zeros, or parts of a point that is written again
};

struct BroughtHome {
  std::uint64_t bytes_written = 0;
  std::vector<Extents> areas;  // of each disk: what is as in the point now, whatever was there before
};

// Makes the disks of the machine the same as in `point`. `base`: the point that the disks hold outside their
// areas, which is asked for where `known`; empty ids are not. The machine is off. Repeatable. Durable on
// return.
Result<BroughtHome> bring_home(Vault& vault, RestoreTarget& home, const MachineId& machine,
                               const std::vector<DiskAtHome>& disks, const RecoveryPointId& base,
                               const RecoveryPointId& point, Progress& progress, std::stop_token stop);

}  // namespace rekindle
