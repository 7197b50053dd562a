#include "sandbox/region/instance_types.h"

#include <algorithm>
#include <array>

namespace rekindle::sandbox {

namespace {
constexpr std::int64_t gib_in_mib = 1024;
constexpr std::array types = {
    InstanceType{"c5.large", 2, 4 * gib_in_mib},    InstanceType{"c5.xlarge", 4, 8 * gib_in_mib},
    InstanceType{"c6i.large", 2, 4 * gib_in_mib},   InstanceType{"c6i.xlarge", 4, 8 * gib_in_mib},
    InstanceType{"m5.large", 2, 8 * gib_in_mib},    InstanceType{"m5.xlarge", 4, 16 * gib_in_mib},
    InstanceType{"m5.2xlarge", 8, 32 * gib_in_mib}, InstanceType{"m6i.large", 2, 8 * gib_in_mib},
    InstanceType{"m6i.xlarge", 4, 16 * gib_in_mib}, InstanceType{"m6i.2xlarge", 8, 32 * gib_in_mib},
    InstanceType{"r5.large", 2, 16 * gib_in_mib},   InstanceType{"r5.xlarge", 4, 32 * gib_in_mib},
    InstanceType{"r6i.large", 2, 16 * gib_in_mib},  InstanceType{"t3.nano", 2, 512},
    InstanceType{"t3.micro", 2, 1 * gib_in_mib},    InstanceType{"t3.small", 2, 2 * gib_in_mib},
    InstanceType{"t3.medium", 2, 4 * gib_in_mib},   InstanceType{"t3.large", 2, 8 * gib_in_mib},
    InstanceType{"t3.xlarge", 4, 16 * gib_in_mib},  InstanceType{"t3a.small", 2, 2 * gib_in_mib},
};
}  // namespace

std::span<const InstanceType> instance_types() {
  return types;
}

const InstanceType* find_instance_type(std::string_view name) {
  const auto* const found =
      std::find_if(types.begin(), types.end(), [&](const InstanceType& type) { return type.name == name; });
  return found == types.end() ? nullptr : found;
}

bool is_burstable(std::string_view name) {
  return name.starts_with("t3");
}

}  // namespace rekindle::sandbox
