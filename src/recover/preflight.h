// Would a failover of this plan work now, and how long would it take? Asked before the disaster; nothing is
// made.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "site/sites.h"

namespace rekindle {

enum class Light { green, yellow, red };  // ready; would work, but; would fail

struct Finding {
  Light light = Light::green;
  std::string machine;  // empty: of the whole plan
  std::string topic;    // "DR copy"
  std::string sentence;
};

struct Preflight {
  std::vector<Finding> findings;
  Light light = Light::green;  // the worst
  // From the click to the last machine's answer, by what failovers of these machines took; absent: none was
  // measured yet.
  std::optional<std::chrono::milliseconds> forecast;
};

struct PreflightParts {
  Catalog& catalog;
  Sites& sites;
  Clock& clock;
  // Whether the vault's key signed the copy's certificate; an error: the vault cannot be asked.
  std::function<Result<bool>(const DrCopy& copy)> is_signed;
};

// Fails only where the plan does not exist; what the site says is a finding.
Result<Preflight> check_readiness(const PreflightParts& parts, const std::string& plan, FailoverKind kind);

std::string_view to_string(Light light);

}  // namespace rekindle
