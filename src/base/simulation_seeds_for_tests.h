// For tests: a simulation performed from seed to seed, until one fails; which one is said.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>

namespace rekindle {

// REKINDLE_SIMULATION_SEEDS says how many (a night is worth a million), REKINDLE_SIMULATION_FIRST_SEED where
// to begin; else `usual_count` from 1 on.
inline void for_simulation_seeds(std::uint64_t usual_count,
                                 const std::function<void(std::uint64_t seed)>& perform) {
  const auto number_from = [](const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
  };
  const std::uint64_t first = number_from("REKINDLE_SIMULATION_FIRST_SEED", 1);
  const std::uint64_t count = number_from("REKINDLE_SIMULATION_SEEDS", usual_count);
  for (std::uint64_t seed = first; seed < first + count && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("REKINDLE_SIMULATION_FIRST_SEED={} REKINDLE_SIMULATION_SEEDS=1", seed));
    perform(seed);
  }
}

}  // namespace rekindle
