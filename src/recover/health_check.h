// Whether the service of a recovered machine answers.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"

namespace rekindle {

// Puts the addresses in place of {private_ip} and {public_ip}.
std::string health_check_url(std::string pattern, const std::string& private_ip,
                             const std::string& public_ip);

// Asks `url` every 0.2 s until it answers with a status below 400. `alive` is asked every few seconds: its
// error ends the wait. After `patience` `failed_precondition`, which nobody retries: it was waited for
// already. `cancelled` on stop.
Result<> wait_until_healthy(HttpTransport& http, Clock& clock, const std::string& url,
                            std::chrono::seconds patience, std::stop_token stop,
                            const std::function<Result<>()>& alive);

// The last line of a serial console that says something, shortened.
std::string last_console_line(std::string_view console);

}  // namespace rekindle
