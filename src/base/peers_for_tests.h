// Where tools/peers puts the programs that tests compare us with.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace rekindle {

inline std::filesystem::path peers_folder() {
  const char* own = std::getenv("REKINDLE_CACHE");
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path cache = own != nullptr ? own : "";
  if (cache.empty() && xdg != nullptr) cache = std::filesystem::path(xdg) / "rekindle";
  if (cache.empty() && home != nullptr) cache = std::filesystem::path(home) / ".cache" / "rekindle";
  return cache / "peers";
}

}  // namespace rekindle
