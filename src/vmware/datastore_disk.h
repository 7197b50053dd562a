// A frozen disk, read from the flat files of a datastore by HTTPS ranges.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "disk/block_device.h"
#include "vmware/datastore_path.h"
#include "vmware/vim_session.h"
#include "vmware/vmdk_descriptor.h"

namespace rekindle {

// Errors of reading: `failed_precondition` when the host holds the file locked (a running machine on VMFS),
// `not_found` when the file is gone, and those of the session.
class DatastoreDisk final : public BlockSource {
 public:
  // Tells which parts of the disk are in use; asked at most once, by the first data_extents().
  using AreasInUse = std::function<Result<Extents>()>;

  // `descriptor_path` is the frozen disk's x.vmdk. `failed_precondition` when its extents are not size_bytes
  // long in sum. The session outlives the disk; so does what `areas_in_use` refers to.
  static Result<std::unique_ptr<DatastoreDisk>> open(VimSession& session, const std::string& datacenter_path,
                                                     const DatastorePath& descriptor_path,
                                                     std::uint64_t size_bytes, AreasInUse areas_in_use);

  std::uint64_t size() const override { return size_bytes_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override;

 private:
  struct Part {
    Extent range;     // of the disk
    std::string url;  // empty: zeros
    std::string name;
    std::uint64_t file_offset = 0;
  };
  DatastoreDisk(VimSession& session, std::vector<Part> parts, std::uint64_t size_bytes,
                AreasInUse areas_in_use)
      : session_(session),
        parts_(std::move(parts)),
        size_bytes_(size_bytes),
        areas_in_use_(std::move(areas_in_use)) {}

  Result<> read_part(const Part& part, std::uint64_t offset, ByteSpan bytes);

  VimSession& session_;
  const std::vector<Part> parts_;
  const std::uint64_t size_bytes_;
  std::mutex mutex_;
  AreasInUse areas_in_use_;
  std::optional<Extents> in_use_;
};

}  // namespace rekindle
