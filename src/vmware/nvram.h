// The file in which vSphere keeps the variables of a UEFI machine's firmware: x.nvram, a few hundred KiB,
// beside the machine's x.vmx. It is read and written over HTTPS, as every file of a datastore
// (vmware/datastore_path.h). A machine that has none gets one, with new variables, when it starts.
#pragma once

#include <string>
#include <vector>

#include "vmware/datastore_path.h"
#include "vmware/property_collector.h"

namespace rekindle {

// What the functions below look at.
const std::vector<std::string>& nvram_properties();

// Where the machine's file lies. `not_found`: the server does not say.
Result<DatastorePath> nvram_path(const ObjectProperties& vm);

struct NvramToBe {
  DatastorePath path;
  std::string name_to_set;  // as "nvram" in the machine's extraConfig; empty: it is there already
};

// Where the file of a machine that was not started yet is to lie. `internal`: the server does not say where
// the machine lies.
Result<NvramToBe> nvram_to_be(const ObjectProperties& vm);

// Reads all of it; `url` is its download_url(). `not_found`, `permission_denied`; `failed_precondition`: it
// is locked; `corrupt`: it is empty, or larger than such a file can be (most_firmware_variables_bytes); those
// of the session.
Result<Bytes> download_nvram(VimSession& session, const std::string& url, const DatastorePath& path);

// Makes or replaces it: repeatable. After an error without an answer, or of the server's own, it is gone, if
// that could be done: of half a file a machine might not start. After a refusal it is as it was. Errors as
// above.
Result<> upload_nvram(VimSession& session, const std::string& url, const DatastorePath& path,
                      ByteView content);

}  // namespace rekindle
