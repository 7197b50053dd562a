#include "sandbox/region/block_holder.h"

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "sandbox/qemu/qmp.h"

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

std::string layer_node(const fs::path& layer_file, const std::string& layer_id) {
  // A write the guest has flushed is in the kernel then, which outlives QEMU; the disk below is not waited
  // for.
  const json node = {{"driver", "qcow2"},
                     {"node-name", layer_id},
                     {"discard", "unmap"},
                     {"file",
                      {{"driver", "file"},
                       {"filename", layer_file.string()},
                       {"discard", "unmap"},
                       {"cache", {{"no-flush", true}}}}}};
  return node.dump();
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
