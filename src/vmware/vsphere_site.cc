#include "vmware/vsphere_site.h"

#include <algorithm>

#include "net/curl_transport.h"
#include "net/url.h"
#include "vmware/machine_config.h"

namespace rekindle {

namespace {

// Copies of a machine's folder on an ESXi host keep its UUIDs. Ids that name two machines would mix their
// backups.
void refuse_twins(std::vector<Machine>& machines) {
  std::map<MachineId, std::vector<Machine*>> by_id;
  for (Machine& machine : machines) by_id[machine.id].push_back(&machine);
  for (const auto& [id, twins] : by_id) {
    if (twins.size() < 2) continue;
    for (Machine* machine : twins) {
      machine->refused_because = fmt::format(
          "{} machines have the same instance UUID {}: give all but one a new one (vc.uuid in the .vmx file)",
          twins.size(), id);
    }
  }
}

}  // namespace

Result<VsphereProbe> VsphereSite::probe(const std::string& url) {
  const Url parsed = TRY(parse_url(url.find("://") == std::string::npos ? "https://" + url : url));
  VsphereProbe probe;
  TlsTrust trust;
  if (parsed.scheme == "https") {
    probe.thumbprint = TRY(fetch_thumbprint(parsed.host, parsed.port));
    trust = {TlsTrust::Kind::thumbprint, probe.thumbprint};
  }
  CurlTransport transport(trust);
  const ServiceContent service = TRY(VimSession::ask({.url = parsed.origin()}, transport));
  probe.about = service.about;
  return probe;
}

VsphereSite::VsphereSite(VsphereOptions options, std::unique_ptr<HttpTransport> own_transport, Clock& clock,
                         Random& random)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      own_transport_(std::move(own_transport)) {}

Result<std::unique_ptr<VsphereSite>> VsphereSite::connect(VsphereOptions options, Clock& clock,
                                                          Random& random) {
  TlsTrust trust;
  if (!options.thumbprint.empty()) trust = {TlsTrust::Kind::thumbprint, options.thumbprint};
  auto transport = std::make_unique<CurlTransport>(std::move(trust));
  HttpTransport& to_use = *transport;
  return connect_over(std::move(options), to_use, std::move(transport), clock, random);
}

Result<std::unique_ptr<VsphereSite>> VsphereSite::connect(VsphereOptions options, HttpTransport& transport,
                                                          Clock& clock, Random& random) {
  return connect_over(std::move(options), transport, nullptr, clock, random);
}

Result<std::unique_ptr<VsphereSite>> VsphereSite::connect_over(VsphereOptions options,
                                                               HttpTransport& transport,
                                                               std::unique_ptr<HttpTransport> own_transport,
                                                               Clock& clock, Random& random) {
  VimLogin login{options.url,          options.user,  options.password,
                 options.call_timeout, options.retry, options.stop};
  std::unique_ptr<VsphereSite> site(
      new VsphereSite(std::move(options), std::move(own_transport), clock, random));
  site->session_ = TRY(VimSession::open(std::move(login), transport, clock, random));
  return site;
}

Result<std::vector<Machine>> VsphereSite::machines() {
  const auto objects =
      TRY(read_all(*session_, "VirtualMachine", machine_properties()), "listing the machines");
  std::vector<Machine> machines;
  const std::lock_guard lock(mutex_);
  machines_by_id_.clear();
  for (const ObjectProperties& vm : objects) {
    machines.push_back(read_machine(vm, vm.object()));
    machines_by_id_[machines.back().id] = vm.object();
  }
  refuse_twins(machines);
  std::ranges::sort(machines, {}, [](const Machine& machine) { return std::tie(machine.name, machine.id); });
  return machines;
}

Result<Machine> VsphereSite::machine(const MachineId& id) {
  const ManagedObject vm = TRY(locate(id));
  const ObjectProperties properties =
      TRY(read_properties(*session_, vm, machine_properties()), "machine {}", id);
  return read_machine(properties, vm);
}

// The managed object that is the machine now: it changes when a machine is registered anew, so what was
// remembered is checked.
Result<ManagedObject> VsphereSite::locate(const MachineId& id) {
  std::optional<ManagedObject> known;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = machines_by_id_.find(id); found != machines_by_id_.end()) known = found->second;
  }
  if (known) {
    const auto identity = read_properties(*session_, *known, identity_properties());
    if (identity.ok() && machine_id(*identity, *known) == id) return *known;
    if (!identity.ok() && identity.error().code() != ErrorCode::not_found) return identity.error();
  }
  return look_up_machine(id);
}

Result<ManagedObject> VsphereSite::look_up_machine(const MachineId& id) {
  const auto objects =
      TRY(read_all(*session_, "VirtualMachine", identity_properties()), "looking for machine {}", id);
  std::map<MachineId, ManagedObject> found;
  std::size_t twins = 0;
  for (const ObjectProperties& vm : objects) {
    const MachineId seen = machine_id(vm, vm.object());
    if (seen == id) ++twins;
    found[seen] = vm.object();
  }
  if (twins > 1) {
    return error(ErrorCode::failed_precondition,
                 "{} machines have the same instance UUID {}: which one is meant?", twins, id);
  }
  const std::lock_guard lock(mutex_);
  machines_by_id_ = std::move(found);
  const auto one = machines_by_id_.find(id);
  if (one != machines_by_id_.end()) return one->second;
  return error(ErrorCode::not_found,
               "there is no machine {} at {} (any more): it was deleted, or the account may not see it", id,
               session_->origin());
}

}  // namespace rekindle
