// The local datacenter: a standalone ESXi host, as far as its API shows, whose VMs are QEMU processes.
//
// It is there to be protected, to be asked by any vSphere client, and to be lost: the product must not be
// able to tell. Everything is in one directory; VMs live on when the server ends, and a server that starts
// there again finds them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "sandbox/datacenter/guest_image.h"
#include "sandbox/datacenter/host.h"

namespace rekindle::sandbox {

struct DatacenterOptions {
  std::filesystem::path directory;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the one of last time if it is free, else any
  std::string user = "root";
  std::string password;
  // What the datastore lets a client download while a VM runs: NFS all, VMFS no "-flat.vmdk" of that VM.
  enum class Mode { nfs, vmfs };
  Mode mode = Mode::nfs;
  std::size_t areas_per_reply = 2000;  // of QueryChangedDiskAreas
  bool revive = false;                 // start also when a disaster happened here
};

struct MachineStatus {
  std::string id;  // its managed object id
  std::string name;
  std::string power;  // "poweredOn", "poweredOff", "suspended"
  std::string instance_uuid;
  int pid = 0;
  int host_port =
      0;  // its service is at http://127.0.0.1:<host_port>/; 0: it never ran, or is on the isolated network
  std::string firmware;
  std::vector<std::string> snapshots;   // names, oldest first
  std::vector<std::string> open_disks;  // that are written by programs outside, as in DiskRequest
  nlohmann::json to_json() const;
};

// What a program that plays VDDK's part asks for: to write a disk of a VM that is off.
struct DiskRequest {
  std::string user;
  std::string password;
  std::string machine;           // managed object id
  std::string file;              // "[datastore1] web/web.vmdk"
  std::filesystem::path socket;  // where the disk is to be served over NBD
  int client = 0;                // the process that asks: the disk is closed when it is gone
  nlohmann::json to_json() const;
};

// Any thread may call any method.
class Datacenter {
 public:
  // Serves from its return on. `failed_precondition` when a disaster happened there (see `revive`),
  // `unavailable` when the port is taken or another server has the directory.
  static Result<std::unique_ptr<Datacenter>> start(const DatacenterOptions& options);
  virtual ~Datacenter() = default;  // VMs go on running

  virtual std::uint16_t port() const = 0;
  virtual std::string url() const = 0;         // "https://127.0.0.1:8989/sdk"
  virtual std::string thumbprint() const = 0;  // SHA-256 of the certificate, lower-case hexadecimal

  virtual Result<MachineStatus> add_machine(const MachineSpec& spec) = 0;
  virtual std::vector<MachineStatus> machines() const = 0;
  // Kills and removes the VM with all its files, as an administrator at the wrong moment.
  virtual Result<> delete_machine(const std::string& name) = 0;
  virtual Result<> reset_change_tracking(const std::string& name) = 0;
  // A line for QEMU's monitor: "qemu-io -d disk0 \"write -P 0x11 1M 64k\"" writes in the guest's place. What
  // QEMU answers; empty is good news.
  virtual Result<std::string> monitor(const std::string& name, const std::string& command_line) = 0;
  // `unauthenticated`, `not_found`, `failed_precondition` (snapshots), `unavailable`: locked, as by a running
  // VM.
  virtual Result<> open_disk(const DiskRequest& request) = 0;
  virtual Result<> close_disk(const DiskRequest& request) = 0;  // the socket and the client are not used
  // See sandbox/datacenter/trouble.h.
  virtual Result<> set_faults(const nlohmann::json& faults) = 0;

  // Every VM is killed at once and nothing is answered any more.
  virtual Result<> disaster() = 0;
  virtual bool lost() const = 0;
};

// The datacenter of a directory, served by another process: the same, over its admin path
// https://<address>/rekindle-sandbox/. `unavailable` when nobody serves it.
class DatacenterClient {
 public:
  static Result<DatacenterClient> connect(const std::filesystem::path& directory);
  // By its address, and the SHA-256 of its certificate.
  static DatacenterClient at(const std::string& host, std::uint16_t port, const std::string& thumbprint);
  const std::string& url() const { return url_; }
  const std::string& thumbprint() const { return thumbprint_; }

  Result<nlohmann::json> add_machine(const MachineSpec& spec) const;
  Result<nlohmann::json> machines() const;  // a list of MachineStatus::to_json()
  Result<> delete_machine(const std::string& name) const;
  Result<> reset_change_tracking(const std::string& name) const;
  Result<> open_disk(const DiskRequest& request) const;
  Result<> close_disk(const DiskRequest& request) const;
  Result<> set_faults(const nlohmann::json& faults) const;
  Result<> disaster() const;

 private:
  Result<nlohmann::json> send(const std::string& method, const std::string& path,
                              const nlohmann::json& body = nullptr) const;
  std::string url_;
  std::string admin_url_;
  std::string thumbprint_;
};

}  // namespace rekindle::sandbox
