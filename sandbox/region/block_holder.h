// A process that has volumes open: an instance's QEMU, or the storage daemon that shows a volume as a file.
// Both outlive the server and are found again by their control socket, which is in their command line.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle::sandbox {

// The QEMU process (of either kind) whose command line names this socket; 0 if none lives.
pid_t find_holder(const std::filesystem::path& socket);

// "-blockdev" or "--blockdev" value: a layer, with all below it, as the node `layer_id`.
std::string layer_node(const std::filesystem::path& layer_file, const std::string& layer_id);

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
