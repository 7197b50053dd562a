// What AWS does not have: faults, counts, inventory, proxies, roles, what the account has. Unsigned; see
// region.h for the paths.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/region.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

// Any thread.
class Admin {
 public:
  static constexpr std::string_view prefix = "/rekindle-sandbox/";

  // All outlive this.
  Admin(Cloud& cloud, AccessLog& access_log, Roles& roles)
      : cloud_(cloud), access_log_(access_log), roles_(roles) {}

  HttpResponse answer(const HttpRequest& request);
  nlohmann::json inventory();
  Result<Region::Proxy> register_proxy(const std::string& name);
  Result<Region::Network> make_network(const std::string& vpc_cidr, const std::string& subnet_cidr);
  Result<> terminate_everything();

 private:
  Result<nlohmann::json> perform(const HttpRequest& request);
  Result<nlohmann::json> change_faults(const HttpRequest& request);
  Result<nlohmann::json> knobs(const HttpRequest& request);
  nlohmann::json calls() const;

  Cloud& cloud_;
  AccessLog& access_log_;
  Roles& roles_;
};

}  // namespace rekindle::sandbox
