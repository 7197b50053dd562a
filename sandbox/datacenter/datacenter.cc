#include "sandbox/datacenter/datacenter.h"

#include <atomic>

#include "base/file.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "sandbox/datacenter/admin_server.h"
#include "sandbox/datacenter/datastore_server.h"
#include "sandbox/datacenter/vim_machine_config.h"
#include "sandbox/datacenter/vim_service.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

std::filesystem::path description_file(const std::filesystem::path& directory) {
  return directory / "datacenter.json";
}

std::string file_of(const MachineRecord& record, int key) {
  return datastore_path(record, MachinePlaces::disk_name(record, key - 2000));
}

MachineStatus status_of(const Machine& machine) {
  const MachineRecord record = machine.record();
  std::vector<std::string> snapshots;
  for (const SnapshotRecord& snapshot : record.snapshots) snapshots.push_back(snapshot.name);
  std::vector<std::string> open_disks;
  for (const OpenDisk& open : record.open_disks) open_disks.push_back(file_of(record, open.key));
  return {record.id(),          record.name, std::string(to_string(record.power)),
          record.instance_uuid, record.pid,  record.host_port,
          record.firmware,      snapshots,   open_disks};
}

std::uint16_t last_port(const std::filesystem::path& directory) {
  const auto text = read_text_file(description_file(directory));
  if (!text.ok()) return 0;
  const json description = json::parse(*text, nullptr, false);
  return description.is_object() ? description.value("port", std::uint16_t{0}) : std::uint16_t{0};
}

class LocalDatacenter final : public Datacenter {
 public:
  LocalDatacenter(const DatacenterOptions& options, std::unique_ptr<Host> host)
      : options_(options),
        host_(std::move(host)),
        sessions_(options.user, options.password),
        tasks_(host_->changes(), trouble_),
        service_(*host_, tasks_, sessions_, trouble_, options.areas_per_reply),
        datastore_(*host_, sessions_, trouble_, options.mode == DatacenterOptions::Mode::vmfs) {}

  ~LocalDatacenter() override {
    // The one who caused a disaster gets the answer to it first.
    if (over_) SystemClock().sleep(std::chrono::milliseconds(500));
    host_->changes().stop();  // wakes those who wait for updates
    server_.reset();
  }

  Result<> serve() {
    const TlsIdentity identity = TRY(load_or_make_identity(options_.directory));
    thumbprint_ = TRY(rekindle::thumbprint(identity));
    const auto handler = [this](const HttpRequest& request) { return handle(request); };
    HttpServerOptions wanted{options_.address, options_.port, identity};
    if (wanted.port == 0) wanted.port = last_port(options_.directory);
    auto server = HttpServer::start(wanted, handler);
    if (!server.ok() && options_.port == 0 && wanted.port != 0) {
      wanted.port = 0;
      server = HttpServer::start(wanted, handler);
    }
    if (!server.ok()) return server.error();
    server_ = *std::move(server);
    const json description = {{"address", options_.address},
                              {"port", port()},
                              {"url", url()},
                              {"user", options_.user},
                              {"thumbprint", thumbprint_}};
    return write_file_atomically(description_file(options_.directory), description.dump(1) + "\n");
  }

  std::uint16_t port() const override { return server_->port(); }
  std::string url() const override { return fmt::format("https://{}:{}/sdk", options_.address, port()); }
  std::string thumbprint() const override { return thumbprint_; }

  Result<MachineStatus> add_machine(const MachineSpec& spec) override {
    const auto machine = TRY(host_->add(spec));
    return status_of(*machine);
  }
  std::vector<MachineStatus> machines() const override {
    std::vector<MachineStatus> list;
    for (const auto& machine : host_->machines()) list.push_back(status_of(*machine));
    return list;
  }
  Result<> delete_machine(const std::string& name) override {
    const auto machine = TRY(named(name));
    machine->kill();
    machine->look_after();  // closes the disks that were open
    return host_->remove(machine->record().id(), true);
  }
  Result<> reset_change_tracking(const std::string& name) override {
    const auto machine = TRY(named(name));
    return machine->reset_change_tracking();
  }
  Result<std::string> monitor(const std::string& name, const std::string& command_line) override {
    const auto machine = TRY(named(name));
    return machine->monitor(command_line);
  }
  Result<> open_disk(const DiskRequest& request) override {
    const OpenTarget target = TRY(target_of(request));
    return target.machine->open_disk(target.key, request.socket, request.client);
  }
  Result<> close_disk(const DiskRequest& request) override {
    const OpenTarget target = TRY(target_of(request));
    return target.machine->close_disk(target.key);
  }
  Result<> set_faults(const json& faults) override { return trouble_.set(faults); }

  Result<> disaster() override {
    lost_ = true;
    const auto struck = host_->strike();
    over_ = true;
    return struck;
  }
  bool lost() const override { return over_; }

 private:
  HttpResponse handle(const HttpRequest& request) {
    HttpResponse nothing;
    nothing.status = 0;
    if (lost_) return nothing;
    if (request.path.starts_with(admin_path)) return handle_admin(request, *this, trouble_);
    HttpResponse response = HttpResponse::text(404, "text/plain", "Not Found\n");
    if (request.path == "/sdk" || request.path == "/sdk/") {
      response = service_.handle(request);
    } else if (request.path == "/sdk/vimServiceVersions.xml") {
      response = VimService::service_versions();
    } else if (request.path.starts_with("/folder/")) {
      response = datastore_.handle(request);
    }
    return lost_ ? nothing : response;
  }

  struct OpenTarget {
    std::shared_ptr<Machine> machine;
    int key = 0;
  };
  Result<OpenTarget> target_of(const DiskRequest& request) const {
    if (!sessions_.knows(request.user, request.password))
      return error(ErrorCode::unauthenticated, "the user name or the password of {} is wrong", request.user);
    const auto machine = host_->find(request.machine);
    if (!machine) return error(ErrorCode::not_found, "there is no machine {}", request.machine);
    const MachineRecord record = machine->record();
    for (const DiskRecord& disk : record.disks) {
      if (file_of(record, disk.key) == request.file) return OpenTarget{machine, disk.key};
    }
    return error(ErrorCode::not_found, "{} has no disk {}", record.name, request.file);
  }

  Result<std::shared_ptr<Machine>> named(const std::string& name) const {
    auto machine = host_->find_by_name(name);
    if (!machine) return error(ErrorCode::not_found, "there is no machine {} in this datacenter", name);
    return machine;
  }

  const DatacenterOptions options_;
  const std::unique_ptr<Host> host_;
  Trouble trouble_;
  VimSessions sessions_;
  VimTasks tasks_;
  VimService service_;
  DatastoreServer datastore_;
  std::string thumbprint_;
  std::atomic<bool> lost_ = false;      // from the first instant: nothing is answered any more
  std::atomic<bool> over_ = false;      // every machine is dead
  std::unique_ptr<HttpServer> server_;  // last: its threads use all of the above
};

}  // namespace

json MachineStatus::to_json() const {
  return {{"id", id},
          {"name", name},
          {"power", power},
          {"instance_uuid", instance_uuid},
          {"pid", pid},
          {"host_port", host_port},
          {"firmware", firmware},
          {"snapshots", snapshots},
          {"open_disks", open_disks}};
}

json DiskRequest::to_json() const {
  return {{"user", user}, {"password", password},      {"machine", machine},
          {"file", file}, {"socket", socket.string()}, {"client", client}};
}

Result<std::unique_ptr<Datacenter>> Datacenter::start(const DatacenterOptions& options) {
  TRY(make_directories(options.directory));
  if (options.revive) TRY(Host::revive(options.directory));
  auto host = TRY(Host::open(options.directory));
  auto datacenter = std::make_unique<LocalDatacenter>(options, std::move(host));
  TRY(datacenter->serve());
  return std::unique_ptr<Datacenter>(std::move(datacenter));
}

}  // namespace rekindle::sandbox
