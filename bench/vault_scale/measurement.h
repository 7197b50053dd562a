// What the programs of this folder print and how they time it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "vault/vault_secret.h"

namespace rekindle {

using Moment = std::chrono::steady_clock::time_point;
inline Moment now() {
  return std::chrono::steady_clock::now();
}
double seconds_since(Moment begin);

// One line of JSON on standard output, as bench/README.md wants it.
void print_measurement(const std::string& metric, double value, const std::string& unit);

// Of this process, after what was freed has gone back to the system.
double resident_mib();

// A key file's: opens at once, unlike a passphrase.
VaultSecret bench_secret();

// Uniform, and the same every time: the `index`-th number of the series `seed`.
std::uint64_t scattered(std::uint64_t seed, std::uint64_t index);

}  // namespace rekindle
