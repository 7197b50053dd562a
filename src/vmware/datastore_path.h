// Where a file lies at a vSphere server, and its download address.
#pragma once

#include <string>

#include "base/result.h"

namespace rekindle {

struct DatastorePath {
  std::string datastore;  // "datastore1"
  std::string file;       // "web/web.vmdk", relative, with '/'

  // "[datastore1] web/web.vmdk". `internal` when it is something else, or climbs with "..".
  static Result<DatastorePath> parse(const std::string& text);
  // Another file of the same directory.
  DatastorePath sibling(const std::string& name) const;
  std::string str() const { return "[" + datastore + "] " + file; }
};

// https://host/folder/web/web.vmdk?dcPath=ha-datacenter&dsName=datastore1 ("Datastore file access over HTTP"
// of the vSphere Web Services SDK programming guide).
std::string download_url(const std::string& origin, const std::string& datacenter_path,
                         const DatastorePath& path);

}  // namespace rekindle
