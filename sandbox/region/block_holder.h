// A process that has volumes open: an instance's QEMU, or the storage daemon that shows a volume as a file.
// Both outlive the server and are found again by their control socket, which is in their command line.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/result.h"

namespace rekindle::sandbox {

// The QEMU process (of either kind) whose command line names this socket; 0 if none lives.
pid_t find_holder(const std::filesystem::path& socket);

// "-blockdev" or "--blockdev" value: a layer, with all below it, as the node `layer_id`.
std::string layer_node(const std::filesystem::path& layer_file, const std::string& layer_id);

// Makes the holder of `top_layer` write to the empty layer `new_layer` (whose backing file is `top_layer`)
// from now on. On return everything written before is in the file of `top_layer`, which nobody writes any
// more.
Result<> switch_layer(const std::filesystem::path& socket, const std::string& top_layer,
                      const std::filesystem::path& new_file, const std::string& new_layer);

// Whether the holder has a node of that name.
Result<bool> holds_layer(const std::filesystem::path& socket, const std::string& layer_id);

}  // namespace rekindle::sandbox
