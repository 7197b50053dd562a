#include "vmware/changed_areas.h"

#include <algorithm>
#include <array>

namespace rekindle {

namespace {

// The server reads its tracking file, which takes minutes for the largest disks.
constexpr std::chrono::minutes patience{5};

struct Page {
  Extent covered;
  std::vector<Extent> areas;
};

Error contradiction(std::string_view what, std::uint64_t offset) {
  return error(ErrorCode::internal, "the server's list of changed areas contradicts itself at {}: {}", offset,
               what);
}

Result<Page> read_page(const XmlElement& value, std::uint64_t offset, std::uint64_t size_bytes) {
  const auto start = value.child("startOffset").number();
  const auto length = value.child("length").number();
  if (start != offset || !length || *length == 0 || *length > size_bytes - offset) {
    return contradiction("a page covers another range than was asked for", offset);
  }
  Page page{{offset, *length}, {}};
  for (const XmlElement& area : value.children("changedArea")) {
    const auto area_start = area.child("start").number();
    const auto area_length = area.child("length").number();
    if (!area_start || !area_length || *area_start < offset || *area_start > page.covered.end() ||
        *area_length > page.covered.end() - *area_start) {
      return contradiction("an area lies outside its page", offset);
    }
    page.areas.push_back({*area_start, *area_length});
  }
  return page;
}

// The faults that mean "I cannot tell", not "I am broken" (vSphere API reference, QueryChangedDiskAreas;
// FileFault is also what a damaged or unknown tracking file gives).
bool means_full(const VimFault& fault) {
  constexpr std::array types = {std::string_view("FileFault"),        std::string_view("InvalidArgument"),
                                std::string_view("NotFound"),         std::string_view("NotSupported"),
                                std::string_view("CannotAccessFile"), std::string_view("FileNotFound"),
                                std::string_view("MethodNotFound"),   std::string_view("SystemError")};
  return std::ranges::find(types, fault.type) != types.end();
}

Result<Page> query_page(VimSession& session, const TrackedDisk& disk, const std::string& since,
                        std::uint64_t offset) {
  const VimCall call{.self = disk.vm,
                     .method = "QueryChangedDiskAreas",
                     .arguments = xml_reference("snapshot", disk.snapshot) +
                                  xml_element("deviceKey", std::to_string(disk.device_key)) +
                                  xml_element("startOffset", std::to_string(offset)) +
                                  xml_element("changeId", since),
                     .extra_time = patience};
  const VimOutcome outcome = TRY(session.call_with_faults(call));
  if (outcome.reply) return read_page(outcome.reply->value(), offset, disk.size_bytes);
  if (!means_full(outcome.fault)) return to_error(outcome.fault).context("{}", call.method);
  return error(ErrorCode::failed_precondition,
               "change tracking cannot tell what changed since '{}' ({}: {}): a full "
               "backup of the disk is needed",
               since, outcome.fault.type, to_error(outcome.fault).message());
}

}  // namespace

std::string_view tracking_uuid(std::string_view change_id) {
  const auto slash = change_id.rfind('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == change_id.size()) return {};
  return change_id.substr(0, slash);
}

Result<Extents> query_changed_areas(VimSession& session, const TrackedDisk& disk,
                                    const std::string& since_change_id) {
  std::vector<Extent> areas;
  // An offset equal to the size would be refused: the loop never asks for it.
  for (std::uint64_t offset = 0; offset < disk.size_bytes;) {
    const Page page =
        TRY(session.in_one_session([&] { return query_page(session, disk, since_change_id, offset); }));
    areas.insert(areas.end(), page.areas.begin(), page.areas.end());
    offset = page.covered.end();
  }
  return normalize(std::move(areas));
}

}  // namespace rekindle
