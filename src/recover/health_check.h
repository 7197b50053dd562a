// Whether the service of a machine answers.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "site/recovery_target.h"

namespace rekindle {

// Puts the addresses in place of {private_ip} and {public_ip}.
std::string health_check_url(std::string pattern, const std::string& private_ip,
                             const std::string& public_ip);

struct HealthAnswer {
  bool healthy = false;
  std::string said;  // what was seen, if it is not
};

struct HealthProbe {
  std::string name;                      // for people: the URL
  std::chrono::milliseconds pause{200};  // between two looks
  std::function<HealthAnswer()> look;
};

// A URL that answers with a status below 400, or, with tcp://HOST:PORT, a port that accepts connections.
// `invalid_argument`: no URL.
Result<HealthProbe> url_probe(HttpTransport& http, const std::string& url, std::stop_token stop);
// Any health check of a plan (FailoverSettings::health_check), of an instance. `http`, `site` outlive it.
Result<HealthProbe> instance_probe(const std::string& check, const Instance& instance, HttpTransport& http,
                                   RecoveryTarget& site, std::stop_token stop);

// Looks until it is healthy. `alive` is asked every few seconds: its error ends the wait. After `patience`
// `failed_precondition`, which nobody retries: it was waited for already. `cancelled` on stop.
Result<> wait_until_healthy(Clock& clock, const HealthProbe& probe, std::chrono::seconds patience,
                            std::stop_token stop, const std::function<Result<>()>& alive);

// The last line of a serial console that says something, shortened.
std::string last_console_line(std::string_view console);

}  // namespace rekindle
