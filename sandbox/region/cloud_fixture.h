// How tests open a cloud without a server before it.
#pragma once

#include <filesystem>

#include "sandbox/region/region.h"

namespace rekindle::sandbox {

inline RegionOptions options_in(const std::filesystem::path& directory) {
  RegionOptions options;
  options.directory = directory;
  options.access_key = "AKIDEXAMPLE";
  options.secret_key = "secret";
  options.account_id = "123456789012";
  return options;
}

}  // namespace rekindle::sandbox
