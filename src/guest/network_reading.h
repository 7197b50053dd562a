// What a guest's files, as they are, ask for its network.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "guest/network_sources.h"

namespace rekindle {

struct NetworkReading {
  // With what ifupdown brings up at boot in `at_boot`.
  std::map<NetworkTool, std::vector<NicSetting>> settings;
  std::string renderer;  // of netplan(5), for the devices that do not say: "NetworkManager"
  // Sentences: what was not read, because there is more of it than any configuration has.
  std::vector<std::string> left_out;
};

// `options`: those of the conversion, after which this says what the guest will do; before it, what it would.
Result<NetworkReading> read_network(Ext4Volume& root, const ConversionOptions& options);

}  // namespace rekindle
