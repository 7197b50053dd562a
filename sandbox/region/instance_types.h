// The instance types that the region offers, with AWS's figures (https://aws.amazon.com/ec2/instance-types/).
// Guests really run with one vCPU and less memory, see RegionOptions, so that many fit on one computer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace rekindle::sandbox {

constexpr int threads_per_core = 2;  // of all of them

struct InstanceType {
  std::string_view name;
  int vcpus;
  std::int64_t memory_mib;
  std::string_view hypervisor = "nitro";
};

std::span<const InstanceType> instance_types();
// nullptr if there is none of that name.
const InstanceType* find_instance_type(std::string_view name);
// Whether it lives on CPU credits.
bool is_burstable(std::string_view name);

}  // namespace rekindle::sandbox
