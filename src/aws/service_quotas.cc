#include "aws/service_quotas.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <variant>

namespace rekindle {

namespace {

using nlohmann::json;

constexpr const char* vcpu_quota_code = "L-1216C47A";

std::optional<double> value_of(const json& answer) {
  const auto quota = answer.find("Quota");
  if (quota == answer.end() || !quota->is_object()) return std::nullopt;
  const auto value = quota->find("Value");
  return value != quota->end() && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

std::string not_asked(std::string_view why) {
  return fmt::format("whether the quota of vCPUs allows it was not asked: {}", why);
}

using Counts = std::map<std::string, int>;  // by type

struct Wanted {
  Counts standard;               // those that the quota counts
  std::set<std::string> others;  // types
};

Wanted wanted_types(const std::vector<LaunchSpec>& specs) {
  Wanted wanted;
  for (const LaunchSpec& spec : specs) {
    if (is_standard_type(spec.instance_type)) {
      ++wanted.standard[spec.instance_type];
    } else {
      wanted.others.insert(spec.instance_type);
    }
  }
  return wanted;
}

std::vector<std::string> names_of(const Counts& a, const Counts& b) {
  std::vector<std::string> names;
  for (const Counts* counts : {&a, &b}) {
    for (const auto& [type, count] : *counts) names.push_back(type);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// A type that does not exist counts nothing: checking the launch finds it.
int vcpus_in(const Counts& counts, const Counts& vcpus_of_type) {
  int total = 0;
  for (const auto& [type, count] : counts) {
    const auto vcpus = vcpus_of_type.find(type);
    if (vcpus != vcpus_of_type.end()) total += count * vcpus->second;
  }
  return total;
}

struct Use {
  int now = 0;     // vCPUs
  int wanted = 0;  // beside them
};

Result<Use> use_of(Ec2Client& ec2, const Counts& wanted) {
  Counts running = TRY(ec2.running_on_demand());
  std::erase_if(running, [](const auto& entry) { return !is_standard_type(entry.first); });
  const Counts vcpus = TRY(ec2.vcpus_of(names_of(wanted, running)));
  return Use{vcpus_in(running, vcpus), vcpus_in(wanted, vcpus)};
}

}  // namespace

Result<std::optional<double>> quota_of(JsonClient& quotas, const std::string& service_code,
                                       const std::string& quota_code) {
  for (const char* action : {"GetServiceQuota", "GetAWSDefaultServiceQuota"}) {
    const auto answer = TRY(quotas.send(action, {{"ServiceCode", service_code}, {"QuotaCode", quota_code}}));
    const auto* fault = std::get_if<AwsFault>(&answer);
    if (fault != nullptr && fault->code == "NoSuchResourceException") continue;
    if (fault != nullptr) return quotas.service().error_of(*fault, action);
    const auto value = value_of(std::get<json>(answer));
    if (!value) return error(ErrorCode::internal, "AWS answered without a value");
    return value;
  }
  return std::optional<double>();
}

bool is_standard_type(std::string_view instance_type) {
  constexpr std::array<std::string_view, 11> families = {"a",  "c", "d", "h", "i", "im",
                                                         "is", "m", "r", "t", "z"};
  const auto digit = instance_type.find_first_of("0123456789");
  if (digit == std::string_view::npos) return false;
  return std::find(families.begin(), families.end(), instance_type.substr(0, digit)) != families.end();
}

Result<Unproven> check_vcpu_quota(JsonClient& quotas, Ec2Client& ec2, const std::vector<LaunchSpec>& specs) {
  const Wanted wanted = wanted_types(specs);
  Unproven unproven;
  for (const std::string& type : wanted.others) {
    unproven.push_back(fmt::format(
        "whether a quota allows instance type {} was not asked: it is none of the Standard families", type));
  }
  if (wanted.standard.empty()) return unproven;
  const auto quota = quota_of(quotas, "ec2", vcpu_quota_code);
  if (!quota.ok() || !*quota) {
    unproven.push_back(not_asked(quota.ok() ? fmt::format("Service Quotas does not know {}", vcpu_quota_code)
                                            : quota.error().message()));
    return unproven;
  }
  const auto use = use_of(ec2, wanted.standard);
  if (!use.ok()) {
    if (use.error().code() != ErrorCode::permission_denied) return use.error();
    unproven.push_back(not_asked(use.error().message()));
    return unproven;
  }
  const double allowed = **quota;
  if (use->now + use->wanted <= allowed) return unproven;
  return error(
      ErrorCode::exhausted,
      "the account may run {:.0f} vCPUs of Standard instances (A, C, D, H, I, M, R, T, Z) in {}; {} run "
      "now, and the plan wants {} more: ask for more in AWS Service Quotas ({}), end what is not "
      "needed, or set smaller types",
      allowed, ec2.service().options().region, use->now, use->wanted, vcpu_quota_code);
}

}  // namespace rekindle
