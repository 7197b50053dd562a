#include "vmware/placement.h"

#include <algorithm>
#include <set>
#include <vector>

#include "vmware/property_collector.h"

namespace rekindle {

namespace {

constexpr int max_folder_depth = 64;

struct Datastore {
  ManagedObject object;
  std::string name;
  std::uint64_t free_bytes = 0;
};

struct Host {
  ManagedObject object;
  ManagedObject parent;
  std::set<ManagedObject> datastores;
  std::set<ManagedObject> networks;
};

// The networks of that name: in a vCenter several datacenters may have one.
using Networks = std::map<std::string, std::vector<ManagedObject>>;

std::set<ManagedObject> references(const XmlElement& value) {
  std::set<ManagedObject> set;
  for (const XmlElement& reference : value.children("ManagedObjectReference"))
    set.insert(read_reference(reference));
  return set;
}

// Those that can be used, the one with the most room first.
Result<std::vector<Datastore>> read_datastores(VimSession& session) {
  const auto objects =
      TRY(read_all(session, "Datastore",
                   {"name", "summary.accessible", "summary.freeSpace", "summary.maintenanceMode"}),
          "listing the datastores");
  std::vector<Datastore> datastores;
  for (const ObjectProperties& object : objects) {
    const std::string maintenance = object.text("summary.maintenanceMode");
    if (object.text("summary.accessible") == "false") continue;
    if (!maintenance.empty() && maintenance != "normal") continue;
    datastores.push_back(
        {object.object(), object.text("name"), object.get("summary.freeSpace").number().value_or(0)});
  }
  std::ranges::stable_sort(datastores, std::greater(), &Datastore::free_bytes);
  return datastores;
}

Result<std::vector<Host>> read_hosts(VimSession& session) {
  const auto objects = TRY(
      read_all(session, "HostSystem",
               {"parent", "runtime.connectionState", "runtime.inMaintenanceMode", "datastore", "network"}),
      "listing the hosts");
  std::vector<Host> hosts;
  for (const ObjectProperties& object : objects) {
    if (object.text("runtime.connectionState") != "connected") continue;
    if (object.get("runtime.inMaintenanceMode").is_true()) continue;
    hosts.push_back({object.object(), read_reference(object.get("parent")),
                     references(object.get("datastore")), references(object.get("network"))});
  }
  return hosts;
}

template <typename Range, typename Name>
std::string listed(const Range& range, Name name) {
  std::set<std::string> names;
  for (const auto& one : range) names.insert(name(one));
  return fmt::format("{}", fmt::join(names, ", "));
}

// A port group of a distributed switch may be named by its key, as the machines connected to it name it.
Result<Networks> read_networks(VimSession& session, const NewMachine& wanted) {
  const auto objects = TRY(read_all(session, "Network", {"name"}), "listing the networks");
  Networks networks;
  for (const NicSpec& nic : wanted.machine.nics) {
    const std::string name = mapped_network(wanted, nic);
    std::vector<ManagedObject>& found = networks[name];
    for (const ObjectProperties& object : objects) {
      if (object.text("name") == name || object.object().value == name) found.push_back(object.object());
    }
    if (!found.empty()) continue;
    return error(
        ErrorCode::invalid_argument,
        "there is no network '{}' for {} in the datacenter; there are: {}. Say which one is to take its "
        "place",
        name, nic.name, listed(objects, [](const ObjectProperties& object) { return object.text("name"); }));
  }
  return networks;
}

const ManagedObject* seen_by(const Host& host, const std::vector<ManagedObject>& networks) {
  const auto seen =
      std::ranges::find_if(networks, [&](const auto& network) { return host.networks.contains(network); });
  return seen == networks.end() ? nullptr : &*seen;
}

const Host* find_host(const std::vector<Host>& hosts, const Datastore& datastore, const Networks& networks) {
  const auto fits = [&](const Host& host) {
    return host.datastores.contains(datastore.object) &&
           std::ranges::all_of(networks,
                               [&](const auto& named) { return seen_by(host, named.second) != nullptr; });
  };
  const auto found = std::ranges::find_if(hosts, fits);
  return found == hosts.end() ? nullptr : &*found;
}

Result<ManagedObject> machine_folder(VimSession& session, ManagedObject place) {
  for (int depth = 0; depth < max_folder_depth; ++depth) {
    if (place.type == "Datacenter") {
      const ObjectProperties datacenter = TRY(read_properties(session, place, {"vmFolder"}));
      return read_reference(datacenter.get("vmFolder"));
    }
    const ObjectProperties entity = TRY(read_properties(session, place, {"parent"}));
    if (!entity.get("parent")) break;
    place = read_reference(entity.get("parent"));
  }
  return error(ErrorCode::not_found, "the host is in no datacenter that the account may see");
}

Result<std::string> backing_of(VimSession& session, const std::string& name, const ManagedObject& network) {
  if (network.type == "Network") {
    return "<backing xsi:type=\"VirtualEthernetCardNetworkBackingInfo\">" + xml_element("deviceName", name) +
           "</backing>";
  }
  if (network.type != "DistributedVirtualPortgroup") {
    return error(
        ErrorCode::invalid_argument,
        "the network '{}' is of a kind ({}) that machines cannot be connected to here: map it to another",
        name, network.type);
  }
  const ObjectProperties group =
      TRY(read_properties(session, network, {"key", "config.distributedVirtualSwitch"}));
  const ManagedObject distributed = read_reference(group.get("config.distributedVirtualSwitch"));
  const ObjectProperties properties = TRY(read_properties(session, distributed, {"uuid"}));
  return "<backing xsi:type=\"VirtualEthernetCardDistributedVirtualPortBackingInfo\"><port>" +
         xml_element("switchUuid", properties.text("uuid")) + xml_element("portgroupKey", group.text("key")) +
         "</port></backing>";
}

Result<Placement> place_at(VimSession& session, const Host& host, const Datastore& datastore,
                           const Networks& networks) {
  Placement placement{{}, {}, host.object, datastore.name, {}};
  placement.folder = TRY(machine_folder(session, host.parent));
  const ObjectProperties resource = TRY(read_properties(session, host.parent, {"resourcePool"}));
  placement.pool = read_reference(resource.get("resourcePool"));
  for (const auto& [name, objects] : networks)
    placement.backings[name] = TRY(backing_of(session, name, *seen_by(host, objects)));
  return placement;
}

}  // namespace

std::string mapped_network(const NewMachine& wanted, const NicSpec& nic) {
  const auto mapped = wanted.networks.find(nic.network);
  return mapped == wanted.networks.end() ? nic.network : mapped->second;
}

Result<Placement> choose_placement(VimSession& session, const NewMachine& wanted) {
  auto datastores = TRY(read_datastores(session));
  const std::string known = listed(datastores, [](const Datastore& datastore) { return datastore.name; });
  if (!wanted.datastore.empty())
    std::erase_if(datastores, [&](const Datastore& datastore) { return datastore.name != wanted.datastore; });
  if (datastores.empty()) {
    return error(ErrorCode::invalid_argument, "there is no datastore '{}' that can be used; there are: {}",
                 wanted.datastore, known);
  }
  const Networks networks = TRY(read_networks(session, wanted));
  const auto hosts = TRY(read_hosts(session));
  std::uint64_t size = 0;
  for (const DiskSpec& disk : wanted.machine.disks) size += disk.size_bytes;
  for (const Datastore& datastore : datastores) {
    const Host* host = find_host(hosts, datastore, networks);
    if (host == nullptr) continue;
    if (datastore.free_bytes >= size) return place_at(session, *host, datastore, networks);
    return error(
        ErrorCode::exhausted,
        "the datastore '{}' has {} free, but the disks of '{}' can grow to {}: make room, or name another",
        datastore.name, human_bytes(datastore.free_bytes), wanted.machine.name, human_bytes(size));
  }
  return error(
      ErrorCode::failed_precondition,
      "no host that is connected and not in maintenance mode sees both {} and the networks of '{}' ({})",
      wanted.datastore.empty() ? "a datastore" : "the datastore " + wanted.datastore, wanted.machine.name,
      listed(networks, [](const auto& named) { return named.first; }));
}

}  // namespace rekindle
