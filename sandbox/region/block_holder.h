// A process that has volumes open: an instance's QEMU, or the storage daemon that shows a volume as a file.
// Both outlive the server and are found again by their control socket, which is in their command line.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/qemu/qmp.h"

namespace rekindle::sandbox {

// The QEMU process (of either kind) whose command line names this socket; 0 if none lives.
pid_t find_holder(const std::filesystem::path& socket);

// A volume as a holder has it open. The holder writes the first layer; all below it are frozen.
struct DiskLayers {
  struct Layer {
    std::string id;  // its node's name
    std::filesystem::path file;
  };
  std::vector<Layer> layers;  // from the top down

  // While blocks still come out of the volume's snapshot: they are read at a rate, the first time, and then
  // from a file beside.
  struct Slow {
    std::size_t from = 0;  // of `layers`: the snapshot's
    std::string name;      // of the volume; in the names of objects and nodes
    std::filesystem::path fetched_file;
    std::int64_t bytes_per_second = 0;
  };
  std::optional<Slow> slow;

  const std::string& top() const { return layers.front().id; }
};

// What a holder must be given, in this order: JSON of object-add and blockdev-add, which are also the values
// of its options -object and -blockdev. The node of the volume is layers.top().
struct HolderParts {
  std::vector<nlohmann::json> objects, nodes;
};
HolderParts parts_of(const DiskLayers& disk);
// As options: {"-object", ..., "-blockdev", ...}; `dashes`: "-" or "--".
std::vector<std::string> options_of(const DiskLayers& disk, const std::string& dashes);

Result<> add_disk(Qmp& qmp, const DiskLayers& disk);
// Of a disk that nobody uses any more; `failed_precondition` when somebody does.
Result<> remove_disk(Qmp& qmp, const DiskLayers& disk);
// The holder reads the volume's blocks as fast as it can from now on.
Result<> end_slowness(const std::filesystem::path& socket, const std::string& name);

struct LayerSwitch {
  std::string top_layer;           // written until now
  std::filesystem::path new_file;  // of `new_layer`, which is empty and has `top_layer` as its backing file
  std::string new_layer;
};

// Makes the holder write to the new layers from now on; all of them, or none. On return everything written
// before is in the files of the former ones, which nobody writes any more. All change at one instant: of two
// writes of which the second began when the first had ended, the former layers never have the second alone.
Result<> switch_layers(const std::filesystem::path& socket, const std::vector<LayerSwitch>& switches);

// Whether the holder has a node of that name.
Result<bool> holds_layer(const std::filesystem::path& socket, const std::string& layer_id);

}  // namespace rekindle::sandbox
