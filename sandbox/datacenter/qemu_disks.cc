// Recordings, snapshots and merges of the disks of a running VM (QEMU's docs/interop/bitmaps.rst and
// live-block-operations.rst).
#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "sandbox/datacenter/disk_images.h"
#include "sandbox/datacenter/qemu_machine.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

// vSphere tracks small disks in 64 KiB blocks, and qcow2's clusters, which a merge copies whole, have that
// size.
constexpr int granularity = 65536;
// Merging copies what a guest wrote during a whole backup.
constexpr auto merge_patience = std::chrono::hours(1);
constexpr auto export_patience = std::chrono::seconds(60);

std::string node_name(int unit, int delta) {
  return delta == 0 ? fmt::format("disk{}-base", unit) : fmt::format("disk{}-delta{}", unit, delta);
}
std::string bitmap_name(int epoch) {
  return fmt::format("epoch-{}", epoch);
}
json bitmap_arguments(int unit, int delta, int epoch) {
  return {{"node", node_name(unit, delta)}, {"name", bitmap_name(epoch)}};
}
json new_bitmap_arguments(int unit, int delta, int epoch) {
  json arguments = bitmap_arguments(unit, delta, epoch);
  arguments["granularity"] = granularity;
  return arguments;
}

const json* find_node(const json& nodes, const std::string& name) {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const json& node) { return node.value("node-name", "") == name; });
  return found == nodes.end() ? nullptr : &*found;
}

}  // namespace

// vSphere stuns a VM so, too. Here it is needed: a write that arrives in the instant in which the nodes of a
// disk change places can end QEMU 7.2 ("Assertion `child->perm & BLK_PERM_WRITE' failed", about one of 100
// snapshots of a guest that writes much).
Result<> QemuMachine::while_stunned(const std::function<Result<>()>& change) {
  const std::string before = TRY(status());
  if (before != "running") return change();
  Result<> paused = pause();
  if (!paused.ok()) {
    static_cast<void>(run());  // it may have been done all the same
    return paused;
  }
  Result<> changed = change();
  // What was changed is changed, whatever becomes of the guest: callers undo what they are told has failed.
  const Result<> goes_on = run();
  if (!goes_on.ok()) log::error("a machine does not go on after a stun: {}", goes_on.error().message());
  return changed;
}

Result<> QemuMachine::start_recording(int unit, int delta, int epoch) {
  return command("block-dirty-bitmap-add", new_bitmap_arguments(unit, delta, epoch));
}

Result<Areas> QemuMachine::take_recording(int unit, int delta, int epoch) {
  TRY(command("block-dirty-bitmap-disable", bitmap_arguments(unit, delta, epoch)));
  Areas areas = TRY(read_recording(node_name(unit, delta), bitmap_name(epoch)));
  TRY(command("block-dirty-bitmap-remove", bitmap_arguments(unit, delta, epoch)));
  return areas;
}

// Once for the life of the process, whichever server of ours asks first: a client that leaves while QEMU
// stops its NBD server can take QEMU with it (its CVE-2024-7409 was of that kind).
Result<> QemuMachine::start_nbd_server(const std::filesystem::path& socket) {
  const auto started =
      command("nbd-server-start", {{"addr", {{"type", "unix"}, {"data", {{"path", socket.string()}}}}}});
  const bool runs = started.ok() || started.error().message().find("already running") != std::string::npos;
  return runs ? Result<>() : started;
}

// By force only in the end: QEMU may not have noticed yet that the client, which has ended, is gone.
Result<> QemuMachine::remove_export(const std::string& id) {
  const auto deadline = std::chrono::steady_clock::now() + export_patience;
  while (true) {
    Result<> removed = command("block-export-del", {{"id", id}, {"mode", "safe"}});
    if (removed.ok()) break;
    if (removed.error().message().find("in use") == std::string::npos) return removed;
    if (std::chrono::steady_clock::now() > deadline) {
      TRY(command("block-export-del", {{"id", id}, {"mode", "hard"}}));
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  TRY(qmp_->wait_event(
      "BLOCK_EXPORT_DELETED", [&](const json& data) { return data.value("id", "") == id; }, export_patience));
  return {};
}

// A bitmap leaves QEMU only through an NBD export.
Result<Areas> QemuMachine::read_recording(const std::string& node, const std::string& bitmap) {
  const std::filesystem::path socket = places_.state / "nbd";
  TRY(start_nbd_server(socket));
  const Result<> exported = command("block-export-add", {{"type", "nbd"},
                                                         {"id", "recording"},
                                                         {"node-name", node},
                                                         {"name", "recording"},
                                                         {"bitmaps", {bitmap}}});
  Result<Areas> areas =
      exported.ok() ? dirty_areas(socket, "recording", bitmap) : Result<Areas>(exported.error());
  const Result<> removed = exported.ok() ? remove_export("recording") : Result<>();
  if (areas.ok() && !removed.ok()) return removed.error();
  return areas;
}

Result<> QemuMachine::add_layer(int unit, int delta) {
  return command("blockdev-add",
                 {{"driver", "qcow2"},
                  {"node-name", node_name(unit, delta)},
                  {"file", {{"driver", "file"}, {"filename", places_.delta(unit, delta).string()}}},
                  {"cache", {{"no-flush", true}}},
                  {"discard", "unmap"},
                  {"backing", nullptr}});
}

Result<> QemuMachine::freeze(const Freeze& freeze) {
  json actions = json::array();
  Result<> done;
  for (std::size_t i = 0; i < freeze.units.size() && done.ok(); ++i) {
    const int unit = freeze.units[i];
    done = add_layer(unit, freeze.delta);
    if (freeze.epochs[i] != 0) {
      actions.push_back({{"type", "block-dirty-bitmap-add"},
                         {"data", new_bitmap_arguments(unit, freeze.delta, freeze.epochs[i])}});
    }
    if (freeze.closing[i] != 0) {
      actions.push_back({{"type", "block-dirty-bitmap-disable"},
                         {"data", bitmap_arguments(unit, freeze.below, freeze.closing[i])}});
    }
    actions.push_back(
        {{"type", "blockdev-snapshot"},
         {"data", {{"node", node_name(unit, freeze.below)}, {"overlay", node_name(unit, freeze.delta)}}}});
  }
  if (done.ok()) {
    done = while_stunned([&] { return command("transaction", {{"actions", std::move(actions)}}); });
  }
  if (!done.ok()) {
    for (const int unit : freeze.units) {
      static_cast<void>(command("blockdev-del", {{"node-name", node_name(unit, freeze.delta)}}));
    }
  }
  return done;
}

Result<> QemuMachine::merge(int unit, int delta, int below, bool is_top, int epoch) {
  const int top = TRY(top_delta(unit));
  const bool recorded = is_top && epoch != 0;
  // It may record already: an earlier merge was cancelled.
  const bool recording = TRY(is_recording(unit, below, epoch));
  if (recorded && !recording) TRY(start_recording(unit, below, epoch));
  const std::string job = fmt::format("merge-{}-{}", unit, ++last_job_);
  Result<> done = while_stunned([&] {
    return command("block-commit", {{"job-id", job},
                                    {"device", node_name(unit, top)},
                                    {"top-node", node_name(unit, delta)},
                                    {"base-node", node_name(unit, below)}});
  });
  if (done.ok()) done = await_merge(job, is_top);
  if (!done.ok()) {
    if (recorded)
      static_cast<void>(command("block-dirty-bitmap-remove", bitmap_arguments(unit, below, epoch)));
    return done;
  }
  return command("blockdev-del", {{"node-name", node_name(unit, delta)}});
}

// The merge of the layer that the guest writes to keeps both in step until it is told to switch over.
Result<> QemuMachine::await_merge(const std::string& job, bool is_top) {
  const auto is_it = [&](const json& data) { return data.value("device", "") == job; };
  const auto await_end = [&]() -> Result<> {
    const json end = TRY(qmp_->wait_event("BLOCK_JOB_COMPLETED", is_it, merge_patience));
    if (!end.contains("error")) return {};
    return error(ErrorCode::internal, "merging a delta failed: {}", end.value("error", ""));
  };
  if (!is_top) return await_end();
  TRY(qmp_->wait_event("BLOCK_JOB_READY", is_it, merge_patience));
  return while_stunned([&]() -> Result<> {
    TRY(command("block-job-complete", {{"device", job}}));
    return await_end();
  });
}

Result<int> QemuMachine::top_delta(int unit) {
  const json devices = TRY(qmp_->execute("query-block"));
  const std::string device = fmt::format("disk{}", unit);
  const std::string prefix = device + "-delta";
  for (const json& entry : devices) {
    if (!entry.contains("inserted")) continue;
    const std::string node = entry["inserted"].value("node-name", "");
    if (node == device + "-base") return 0;
    if (node.starts_with(prefix)) return std::atoi(node.c_str() + prefix.size());
  }
  return error(ErrorCode::internal, "QEMU has no {}", device);
}

Result<bool> QemuMachine::has_layer(int unit, int delta) {
  const json nodes = TRY(qmp_->execute("query-named-block-nodes", {{"flat", true}}));
  return find_node(nodes, node_name(unit, delta)) != nullptr;
}

Result<bool> QemuMachine::is_recording(int unit, int delta, int epoch) {
  const json nodes = TRY(qmp_->execute("query-named-block-nodes", {{"flat", true}}));
  const json* node = find_node(nodes, node_name(unit, delta));
  if (node == nullptr || !node->contains("dirty-bitmaps")) return false;
  const json& bitmaps = (*node)["dirty-bitmaps"];
  return std::any_of(bitmaps.begin(), bitmaps.end(),
                     [&](const json& bitmap) { return bitmap.value("name", "") == bitmap_name(epoch); });
}

Result<> QemuMachine::cancel_jobs() {
  const json jobs = TRY(qmp_->execute("query-block-jobs"));
  for (const json& job : jobs) {
    const std::string id = job.value("device", "");
    TRY(command("block-job-cancel", {{"device", id}, {"force", true}}));
    TRY(qmp_->wait_event(
        "JOB_STATUS_CHANGE",
        [&](const json& data) { return data.value("id", "") == id && data.value("status", "") == "null"; },
        export_patience));
  }
  return {};
}

}  // namespace rekindle::sandbox
