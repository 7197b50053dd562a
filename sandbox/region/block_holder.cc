#include "sandbox/region/block_holder.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/file.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;
using nlohmann::json;

pid_t find_holder(const fs::path& socket) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator("/proc", failure)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const auto command = read_text_file(entry.path() / "cmdline");
    if (!command.ok()) continue;
    const std::string program = command->substr(0, command->find('\0'));
    if (program.find("qemu-") != std::string::npos && command->find(socket.string()) != std::string::npos)
      return pid;
  }
  return 0;
}

namespace {

// A write the guest has flushed is in the kernel then, which outlives QEMU; the disk below is not waited for.
json written_node(const DiskLayers::Layer& layer) {
  return {{"driver", "qcow2"},
          {"node-name", layer.id},
          {"discard", "unmap"},
          {"file",
           {{"driver", "file"},
            {"filename", layer.file.string()},
            {"discard", "unmap"},
            {"cache", {{"no-flush", true}}}}}};
}

json frozen_node(const fs::path& file) {
  return {{"driver", "qcow2"},
          {"read-only", true},
          {"file", {{"driver", "file"}, {"filename", file.string()}, {"read-only", true}}}};
}

std::string group_name(const std::string& name) {
  return "rate-" + name;
}

// The snapshot behind a throttle, and over it a file that keeps what was read: the lowest nodes. The file is
// no layer: what is in it has not changed.
std::vector<json> slow_nodes(const DiskLayers::Slow& slow, const fs::path& snapshot_file) {
  json fetched = written_node({"fetched-" + slow.name, slow.fetched_file});
  fetched["backing"] = "slow-" + slow.name;
  return {
      {{"driver", "throttle"},
       {"node-name", "slow-" + slow.name},
       {"throttle-group", group_name(slow.name)},
       {"file", frozen_node(snapshot_file)}},
      fetched,
      {{"driver", "copy-on-read"}, {"node-name", "fetch-" + slow.name}, {"file", "fetched-" + slow.name}}};
}

}  // namespace

// The layers' files name those below them, but what a node is to have below it can be said instead.
HolderParts parts_of(const DiskLayers& disk) {
  json top = written_node(disk.layers.front());
  if (!disk.slow) return {{}, {top}};
  const DiskLayers::Slow& slow = *disk.slow;
  HolderParts parts;
  parts.objects.push_back({{"qom-type", "throttle-group"},
                           {"id", group_name(slow.name)},
                           {"limits", {{"bps-read", slow.bytes_per_second}}}});
  parts.nodes = slow_nodes(slow, disk.layers.at(slow.from).file);
  std::string below = "fetch-" + slow.name;
  for (std::size_t i = slow.from - 1; i > 0; --i) {
    json node = frozen_node(disk.layers[i].file);
    node["node-name"] = disk.layers[i].id;
    node["backing"] = std::exchange(below, disk.layers[i].id);
    parts.nodes.push_back(std::move(node));
  }
  top["backing"] = below;
  parts.nodes.push_back(std::move(top));
  return parts;
}

std::vector<std::string> options_of(const DiskLayers& disk, const std::string& dashes) {
  const HolderParts parts = parts_of(disk);
  std::vector<std::string> options;
  for (const json& object : parts.objects) options.insert(options.end(), {dashes + "object", object.dump()});
  for (const json& node : parts.nodes) options.insert(options.end(), {dashes + "blockdev", node.dump()});
  return options;
}

Result<> add_disk(Qmp& qmp, const DiskLayers& disk) {
  const HolderParts parts = parts_of(disk);
  for (const json& object : parts.objects) TRY(qmp.execute("object-add", object));
  for (const json& node : parts.nodes) TRY(qmp.execute("blockdev-add", node));
  return {};
}

// Which nodes are there depends on how the disk came and how often it was frozen since: nodes of layers that
// came by a freeze go with the one above them. So each name is tried.
Result<> remove_disk(Qmp& qmp, const DiskLayers& disk) {
  std::vector<std::string> names;
  for (const DiskLayers::Layer& layer : disk.layers) names.push_back(layer.id);
  if (disk.slow) {
    for (const char* kind : {"fetch-", "fetched-", "slow-"}) names.push_back(kind + disk.slow->name);
  }
  for (const std::string& name : names) static_cast<void>(qmp.execute("blockdev-del", {{"node-name", name}}));
  if (disk.slow) static_cast<void>(qmp.execute("object-del", {{"id", group_name(disk.slow->name)}}));
  const json left = TRY(qmp.execute("query-named-block-nodes", {{"flat", true}}));
  const bool used = std::any_of(left.begin(), left.end(),
                                [&](const json& node) { return node.value("node-name", "") == disk.top(); });
  if (used) return error(ErrorCode::failed_precondition, "the layer {} is still in use", disk.top());
  return {};
}

Result<> end_slowness(const fs::path& socket, const std::string& name) {
  const auto qmp = TRY(Qmp::connect(socket));
  TRY(qmp->execute(
      "qom-set",
      {{"path", "/objects/" + group_name(name)}, {"property", "limits"}, {"value", {{"bps-read", 0}}}}));
  return {};
}

// In a transaction QEMU waits for what each disk is doing and holds back what comes, first for all of them,
// and then changes them.
Result<> switch_layers(const fs::path& socket, const std::vector<LayerSwitch>& switches) {
  json actions = json::array();
  for (const LayerSwitch& one : switches) {
    actions.push_back({{"type", "blockdev-snapshot-sync"},
                       {"data",
                        {{"node-name", one.top_layer},
                         {"snapshot-file", one.new_file.string()},
                         {"snapshot-node-name", one.new_layer},
                         {"mode", "existing"},
                         {"format", "qcow2"}}}});
  }
  const auto qmp = TRY(Qmp::connect(socket));
  TRY(qmp->execute("transaction", {{"actions", std::move(actions)}}));
  return {};
}

Result<bool> holds_layer(const fs::path& socket, const std::string& layer_id) {
  const auto qmp = TRY(Qmp::connect(socket));
  const json nodes = TRY(qmp->execute("query-named-block-nodes", {{"flat", true}}));
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const json& node) { return node.value("node-name", "") == layer_id; });
}

}  // namespace rekindle::sandbox
