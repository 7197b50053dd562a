#include "vmware/datastore_disk.h"

#include <algorithm>

namespace rekindle {

namespace {

// Only what the answer's headers may add to a range.
constexpr std::size_t slack_bytes = 4096;

Error refused(int status, const std::string& name) {
  switch (status) {
    case 403:
      return error(ErrorCode::permission_denied,
                   "the account may not download '{}': it needs the vSphere privilege Datastore.Browse and "
                   "Datastore.FileManagement on the datastore",
                   name);
    case 404:
    case 410:
      return error(ErrorCode::not_found,
                   "'{}' is gone from the datastore: the machine or its snapshot was deleted meanwhile",
                   name);
    case 416:
      return error(ErrorCode::corrupt, "'{}' is shorter than the disk's descriptor says", name);
    case 500:
      return error(ErrorCode::failed_precondition,
                   "the host keeps '{}' locked (HTTP 500), as it does on VMFS while the machine runs: shut "
                   "the machine down for this backup or move it to an NFS datastore (as it is, it would need "
                   "the nbd or hotadd transport, which Rekindle does not have yet)",
                   name);
    default:
      return error(ErrorCode::internal, "downloading '{}': unexpected HTTP {}", name, status);
  }
}

// An answer of other bytes than those asked for would be silent corruption.
Result<> check_range(const HttpResponse& answer, const std::string& name, std::uint64_t first,
                     std::uint64_t length) {
  if (answer.status == 200) {
    return error(ErrorCode::internal, "the server ignores ranges: it sent '{}' from its start", name);
  }
  if (answer.status != 206) return refused(answer.status, name);
  const std::string wanted = fmt::format("bytes {}-{}/", first, first + length - 1);
  const std::string_view got = answer.headers.get("Content-Range");
  if (!got.starts_with(wanted) || answer.body.size() != length) {
    return error(ErrorCode::internal, "asked for {} of '{}', the server sent '{}' with {} bytes", wanted,
                 name, got, answer.body.size());
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DatastoreDisk>> DatastoreDisk::open(VimSession& session,
                                                           const std::string& datacenter_path,
                                                           const DatastorePath& descriptor_path,
                                                           std::uint64_t size_bytes,
                                                           AreasInUse areas_in_use) {
  const HttpResponse answer =
      TRY(session.get(download_url(session.origin(), datacenter_path, descriptor_path), {},
                      max_descriptor_bytes + slack_bytes));
  if (answer.status != 200) return refused(answer.status, descriptor_path.str());
  const VmdkDescriptor descriptor =
      TRY(parse_vmdk_descriptor(answer.body_text()), "{}", descriptor_path.str());
  if (descriptor.size_bytes() != size_bytes) {
    return error(ErrorCode::failed_precondition,
                 "{} describes {} bytes, but the server says that the disk has {}", descriptor_path.str(),
                 descriptor.size_bytes(), size_bytes);
  }
  std::vector<Part> parts;
  std::uint64_t offset = 0;
  for (const VmdkExtent& extent : descriptor.extents) {
    const DatastorePath file = descriptor_path.sibling(extent.file);
    parts.push_back({{offset, extent.length_bytes},
                     extent.file.empty() ? "" : download_url(session.origin(), datacenter_path, file),
                     file.str(),
                     extent.file_offset_bytes});
    offset += extent.length_bytes;
  }
  return std::unique_ptr<DatastoreDisk>(
      new DatastoreDisk(session, std::move(parts), size_bytes, std::move(areas_in_use)));
}

Result<> DatastoreDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  CHECK(offset <= size_bytes_ && bytes.size() <= size_bytes_ - offset);
  for (const Part& part : parts_) {
    if (bytes.empty()) break;
    if (offset >= part.range.end()) continue;
    const std::size_t length = std::min<std::uint64_t>(bytes.size(), part.range.end() - offset);
    TRY(read_part(part, offset - part.range.offset, bytes.first(length)));
    offset += length;
    bytes = bytes.subspan(length);
  }
  return {};
}

Result<> DatastoreDisk::read_part(const Part& part, std::uint64_t offset, ByteSpan bytes) {
  if (part.url.empty()) {
    std::ranges::fill(bytes, std::byte{0});
    return {};
  }
  const std::uint64_t first = part.file_offset + offset;
  const HttpHeaders headers = {{"Range", fmt::format("bytes={}-{}", first, first + bytes.size() - 1)}};
  const HttpResponse answer = TRY(session_.get(part.url, headers, bytes.size() + slack_bytes));
  TRY(check_range(answer, part.name, first, bytes.size()));
  copy_bytes(answer.body, bytes);
  return {};
}

Result<Extents> DatastoreDisk::data_extents(Extent range) {
  const std::lock_guard lock(mutex_);
  if (!in_use_) in_use_ = TRY(areas_in_use_());
  return intersect(*in_use_, {range});
}

}  // namespace rekindle
