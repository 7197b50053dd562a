// What AWS does not have: faults, counts, inventory, proxies. Unsigned; see region.h for the paths.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/region.h"

namespace rekindle::sandbox {

// Any thread.
class Admin {
 public:
  static constexpr std::string_view prefix = "/rekindle-sandbox/";

  // Both outlive this.
  Admin(Cloud& cloud, AccessLog& access_log) : cloud_(cloud), access_log_(access_log) {}

  HttpResponse answer(const HttpRequest& request);
  nlohmann::json inventory();
  Result<Region::Proxy> register_proxy(const std::string& name);
  Result<Region::Network> make_network(const std::string& vpc_cidr, const std::string& subnet_cidr);
  Result<> terminate_everything();

 private:
  Result<nlohmann::json> perform(const HttpRequest& request);
  Result<nlohmann::json> change_faults(const HttpRequest& request);
  nlohmann::json calls() const;

  Cloud& cloud_;
  AccessLog& access_log_;
};

}  // namespace rekindle::sandbox
