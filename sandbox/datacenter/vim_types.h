// What the schema of vSphere's API 6.7 says about the managed objects of this host.
#pragma once

#include <string_view>

namespace rekindle::sandbox {

// Whether a managed object of `type` counts as a `wanted` one (its own type or a base of it).
bool is_a(std::string_view type, std::string_view wanted);

// Whether the first part of the path is a property of that type, set or not.
bool has_property(std::string_view type, std::string_view path);

}  // namespace rekindle::sandbox
