// For tests: the clients that give advice about a launch, on one canned transport.
#pragma once

#include <memory>

#include "aws/canned_transport.h"
#include "aws/ec2_client.h"
#include "aws/instance_profile.h"
#include "aws/json_client.h"
#include "aws/kms_key.h"
#include "aws/launch_check.h"
#include "aws/service_quotas.h"

namespace rekindle {

struct CannedAdvisers {
  static ServiceOptions options(const char* service) {
    return {service, "eu-central-1", "http://127.0.0.1:1", {"AKID", "secret", ""}};
  }
  std::unique_ptr<ServiceClient> service(const ServiceOptions& options) {
    return *ServiceClient::make(options, transport, clock, random);
  }
  LaunchAdvisers all() { return {ec2, kms, iam}; }
  const HttpRequest& request(std::size_t index) const { return transport.requests().at(index); }

  CannedTransport transport;
  ManualClock clock{*from_iso8601("2026-11-22T12:00:00Z")};
  SeededRandom random{1};
  Ec2Client ec2{std::make_unique<QueryClient>(service(options("ec2")), "2016-11-15", clock)};
  QueryClient iam{service(iam_options(options("iam"))), iam_version, clock};
  JsonClient kms{service(options("kms")), kms_target};
  JsonClient quotas{service(options("servicequotas")), quotas_target};
};

}  // namespace rekindle
