#include "sandbox/datacenter/disk_images.h"

#include <fcntl.h>
#include <unistd.h>

#include <functional>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/process.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

const char* format_of(bool flat) {
  return flat ? "raw" : "qcow2";
}

// Also while a VM has the image open (-U).
Result<Areas> areas_of_map(const json& image, const std::function<bool(const json&)>& counts) {
  const std::string text = TRY(run_tool({"qemu-img", "map", "-U", "--output=json", "json:" + image.dump()}));
  const json map = json::parse(text, nullptr, false);
  if (!map.is_array()) return error(ErrorCode::internal, "qemu-img map does not answer in JSON");
  std::vector<Area> areas;
  for (const json& extent : map) {
    if (counts(extent)) areas.push_back({extent.value("start", 0ULL), extent.value("length", 0ULL)});
  }
  return merged(std::move(areas));
}

}  // namespace

Result<> make_delta(const std::filesystem::path& path, const std::filesystem::path& below,
                    bool below_is_flat) {
  TRY(run_tool({"qemu-img", "create", "-q", "-f", "qcow2", "-b", below.string(), "-F",
                format_of(below_is_flat), path.string()}),
      "making a delta disk");
  return {};
}

// The layer below is written anew each time: one in between may have been merged away.
Result<> merge_delta(const std::filesystem::path& path, const std::filesystem::path& below,
                     bool below_is_flat) {
  TRY(run_tool({"qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-b", below.string(), "-F",
                format_of(below_is_flat), path.string()}),
      "merging a delta disk");
  TRY(run_tool({"qemu-img", "commit", "-q", "-d", "-t", "unsafe", "-f", "qcow2", path.string()}),
      "merging a delta disk");
  return {};
}

Result<Areas> areas_of_delta(const std::filesystem::path& path) {
  // Without its backing chain, which is not asked for.
  const json image = {
      {"driver", "qcow2"}, {"file", {{"driver", "file"}, {"filename", path.string()}}}, {"backing", nullptr}};
  return areas_of_map(image, [](const json& extent) { return extent.value("present", false); });
}

Result<Areas> allocated_areas(const std::filesystem::path& flat) {
  const File file = TRY(File::open(flat, File::Mode::read));
  std::vector<Area> areas;
  off_t at = 0;
  while (true) {
    const off_t data = ::lseek(file.fd(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return merged(std::move(areas));
    const off_t hole = data < 0 ? -1 : ::lseek(file.fd(), data, SEEK_HOLE);
    if (hole < 0) return errno_error(errno, fmt::format("finding the holes of {}", flat.string()));
    areas.push_back({static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole - data)});
    at = hole;
  }
}

Result<Areas> dirty_areas(const std::filesystem::path& socket, const std::string& export_name,
                          const std::string& bitmap) {
  // QEMU's NBD client shows dirty blocks in place of allocation, as "no data" (block/nbd.c, x-dirty-bitmap).
  const json image = {{"driver", "nbd"},
                      {"export", export_name},
                      {"server", {{"type", "unix"}, {"path", socket.string()}}},
                      {"x-dirty-bitmap", "qemu:dirty-bitmap:" + bitmap}};
  return areas_of_map(image, [](const json& extent) { return !extent.value("data", true); });
}

Result<> copy_sparse(const std::filesystem::path& from, const std::filesystem::path& to) {
  TRY(run_tool({"cp", "--sparse=always", "--reflink=auto", from.string(), to.string()}), "copying {}",
      from.string());
  return {};
}

}  // namespace rekindle::sandbox
