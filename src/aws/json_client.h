// AWS's JSON 1.1 protocol: the action in the header X-Amz-Target, parameters and answers as JSON objects.
// Service Quotas, KMS and Systems Manager speak it.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "aws/service_client.h"

namespace rekindle {

// How long one attempt may take to ask for advice, and how many there are.
inline constexpr std::chrono::milliseconds advice_timeout{3000};
inline constexpr int advice_attempts = 2;

// How a call may be repeated: see ServiceCall. Most such services are asked beside the work, for advice, and
// a proxy's network may not lead to them: a few short attempts, then `unavailable`.
struct JsonOptions {
  bool repeatable = true;
  int attempts = advice_attempts;                      // 0: as the service's options say
  std::chrono::milliseconds timeout = advice_timeout;  // of one attempt
};

// Any number of threads.
class JsonClient {
 public:
  // `target`: what stands before the action, "TrentService".
  JsonClient(std::unique_ptr<ServiceClient> service, std::string target)
      : service_(std::move(service)), target_(std::move(target)) {}

  // The answer, or the fault for the caller to explain. `invalid_argument`: a text in the body is not UTF-8.
  Result<std::variant<nlohmann::json, AwsFault>> send(const std::string& action, const nlohmann::json& body,
                                                      const JsonOptions& options = {});

  const ServiceClient& service() const { return *service_; }

 private:
  const std::unique_ptr<ServiceClient> service_;
  const std::string target_;
};

// A text of an answer; "" if there is none of this name.
std::string text_of(const nlohmann::json& object, const char* name);

}  // namespace rekindle
