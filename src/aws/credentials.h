// What proves to AWS who is calling.
#pragma once

#include <string>

namespace rekindle {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty for long-term keys
};

}  // namespace rekindle
