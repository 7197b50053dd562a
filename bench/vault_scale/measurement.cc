#include "bench/vault_scale/measurement.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

namespace rekindle {

double seconds_since(Moment begin) {
  return std::chrono::duration<double>(now() - begin).count();
}

void print_measurement(const std::string& metric, double value, const std::string& unit) {
  std::cout << nlohmann::json{{"metric", metric}, {"value", value}, {"unit", unit}}.dump() << std::endl;
}

double resident_mib() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statm >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / mib;
}

VaultSecret bench_secret() {
  AeadKey key{};
  key.fill(std::byte{42});
  return VaultSecret::key(key);
}

// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t scattered(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t mixed = (seed << 56 ^ index) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

}  // namespace rekindle
