// The two servers of a sandbox as processes of their own, and what is known about them.
//
// <directory>/datacenter and <directory>/region are theirs; sandbox.json says where they answer and with
// which credentials.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace rekindle::sandbox {

struct ServerOptions {
  std::filesystem::path directory;
  std::uint16_t port = 0;    // 0: the one of last time, else any
  std::string user;          // datacenter: who may log in; region: access key id
  std::string secret;        // password; secret access key
  std::string mode = "nfs";  // datacenter: nfs | vmfs
  bool revive = false;       // datacenter: serve again after a disaster
};

// Serve in this process until stopped. Each writes server.json into its directory when it answers.
Result<> serve_datacenter(const ServerOptions& options, std::stop_token stop);
Result<> serve_region(const ServerOptions& options, std::stop_token stop);

// Starts whichever server of the sandbox does not run, as a process that outlives this one, and waits until
// it answers. Returns the content of sandbox.json.
Result<nlohmann::json> start_sandbox(const std::filesystem::path& directory, bool revive);
// sandbox.json, with whether each server runs and the datacenter's machines.
Result<nlohmann::json> sandbox_status(const std::filesystem::path& directory);
// Ends servers, machines and instances. The files stay.
Result<> stop_sandbox(const std::filesystem::path& directory);
// Kills the datacenter with all its machines at once.
Result<> strike_datacenter(const std::filesystem::path& directory);

}  // namespace rekindle::sandbox
