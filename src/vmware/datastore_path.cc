#include "vmware/datastore_path.h"

#include "net/url.h"

namespace rekindle {

namespace {

bool climbs(const std::string& file) {
  const std::string slashed = "/" + file + "/";
  return slashed.find("/../") != std::string::npos || slashed.find("/./") != std::string::npos;
}

}  // namespace

Result<DatastorePath> DatastorePath::parse(const std::string& text) {
  const auto end = text.find("] ");
  if (text.starts_with('[') && end != std::string::npos && end > 1) {
    DatastorePath path{text.substr(1, end - 1), text.substr(end + 2)};
    if (!path.file.empty() && !path.file.starts_with('/') && !climbs(path.file)) return path;
  }
  return error(ErrorCode::internal, "'{}' does not name a file of a datastore", text);
}

DatastorePath DatastorePath::sibling(const std::string& name) const {
  const auto slash = file.rfind('/');
  return {datastore, slash == std::string::npos ? name : file.substr(0, slash + 1) + name};
}

std::string download_url(const std::string& origin, const std::string& datacenter_path,
                         const DatastorePath& path) {
  return fmt::format("{}/folder/{}?{}", origin, percent_encode(path.file, true),
                     encode_query({{"dcPath", datacenter_path}, {"dsName", path.datastore}}));
}

}  // namespace rekindle
