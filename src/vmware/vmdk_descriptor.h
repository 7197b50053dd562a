// The text file x.vmdk that says of which files a virtual disk consists ("Virtual Disk Format 5.0", VMware):
//
//   # Disk DescriptorFile
//   version=1
//   CID=fffffffe
//   parentCID=ffffffff           any other value: this is a delta over a parent
//   createType="vmfs"
//   # Extent description
//   RW 83886080 VMFS "x-flat.vmdk" [offset in sectors]
//   # The Disk Data Base
//   ddb.adapterType = "lsilogic"
//
// It comes from a datastore that others write to: everything in it is doubted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

constexpr std::size_t max_descriptor_bytes = 64 * kib;

struct VmdkExtent {
  std::uint64_t length_bytes = 0;
  std::string file;  // a name in the descriptor's directory; empty: zeros
  std::uint64_t file_offset_bytes = 0;
};

struct VmdkDescriptor {
  std::vector<VmdkExtent> extents;  // one after the other, from the start of the disk
  std::uint64_t size_bytes() const;
};

// Of a disk that consists of plain flat files. `failed_precondition` for a well-formed descriptor of anything
// else (a delta of a snapshot, a raw device, vSAN): it needs another transport. `corrupt` for what is no
// descriptor.
Result<VmdkDescriptor> parse_vmdk_descriptor(std::string_view text);

}  // namespace rekindle
