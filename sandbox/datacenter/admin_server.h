// The admin path of the local datacenter, for the command line and for tests in other processes. JSON, from
// loopback only; errors are {"error": sentence, "code": name} with status 4xx or 500.
//
//   GET  /rekindle-sandbox/machines
//   POST /rekindle-sandbox/machines                                {"name", "guest_directory", "start", ...}
//   POST /rekindle-sandbox/machines/<name>/delete
//   POST /rekindle-sandbox/machines/<name>/reset-change-tracking
//   POST /rekindle-sandbox/machines/<name>/monitor                 {"command_line"}
//   POST /rekindle-sandbox/disks/open, .../disks/close              (see DiskRequest)
//   GET  /rekindle-sandbox/faults, POST (see trouble.h)
//   POST /rekindle-sandbox/disaster
#pragma once

#include "net/http.h"
#include "sandbox/datacenter/datacenter.h"
#include "sandbox/datacenter/trouble.h"

namespace rekindle::sandbox {

constexpr std::string_view admin_path = "/rekindle-sandbox/";

HttpResponse handle_admin(const HttpRequest& request, Datacenter& datacenter, const Trouble& trouble);

nlohmann::json to_json(const MachineSpec& spec);

}  // namespace rekindle::sandbox
