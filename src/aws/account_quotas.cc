#include "aws/account_quotas.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "aws/service_quotas.h"

namespace rekindle {

namespace {

constexpr double nearly = 0.8;               // of a quota: it is told in time
constexpr std::size_t most_counted = 20000;  // snapshots
constexpr double gib_of_tib = 1024;          // AWS counts storage in TiB
constexpr const char* default_type = "gp3";  // as templates are registered
constexpr const char* snapshot_quota = "L-309BACF6";
constexpr const char* pending_quota = "L-94D7AB7D";

struct StorageQuota {
  std::string_view volume_type;
  const char* code;
};
constexpr StorageQuota storage_quotas[] = {
    {"gp2", "L-D18FCD1D"}, {"gp3", "L-7A658B76"}, {"io1", "L-FD252861"},     {"io2", "L-09BD8365"},
    {"sc1", "L-17AF77E8"}, {"st1", "L-82ACEF56"}, {"standard", "L-9CF3C2EB"}};

// How much of a quota is used, and would be beside it. In the quota's unit.
struct Need {
  std::string what;  // "TiB of gp3 volumes"
  std::string code;
  double used = 0;
  double wanted = 0;
};

class EbsQuotas {
 public:
  EbsQuotas(JsonClient& quotas, Ec2Client& ec2) : quotas_(quotas), ec2_(ec2) {}

  Result<> check_storage(const std::string& volume_type, std::uint64_t wanted_bytes);
  Result<> check_snapshots(std::size_t wanted);
  Result<> check_pending();
  Result<Unproven> outcome();

 private:
  std::optional<double> allowed(const std::string& what, const char* code);
  void compare(const Need& need, double allowed);
  void not_asked(const std::string& what, const std::string& why) {
    unproven_.push_back(fmt::format("whether the quota of {} allows it was not asked: {}", what, why));
  }
  template <typename T>
  Result<std::optional<T>> counted(Result<T> use, const std::string& what);

  JsonClient& quotas_;
  Ec2Client& ec2_;
  std::optional<std::string> unreachable_;  // why: nobody waits for it again
  Unproven unproven_;
  std::vector<std::string> too_small_;
};

// None: it was said that it is not known.
std::optional<double> EbsQuotas::allowed(const std::string& what, const char* code) {
  if (!unreachable_) {
    const auto quota = quota_of(quotas_, "ebs", code);
    if (quota.ok() && *quota) return *quota;
    if (quota.ok()) {
      not_asked(what, fmt::format("Service Quotas does not know {}", code));
      return std::nullopt;
    }
    unreachable_ = quota.error().message();
  }
  not_asked(what, *unreachable_);
  return std::nullopt;
}

// Who may not look what is used cannot count it.
template <typename T>
Result<std::optional<T>> EbsQuotas::counted(Result<T> use, const std::string& what) {
  if (use.ok()) return std::optional<T>(*use);
  if (use.error().code() != ErrorCode::permission_denied) return use.error();
  not_asked(what, use.error().message());
  return std::optional<T>();
}

void EbsQuotas::compare(const Need& need, double allowed) {
  const double then = need.used + need.wanted;
  if (then > allowed) {
    too_small_.push_back(fmt::format(
        "the account may have {:.4g} {} in {}; {:.4g} are there, and the plan wants {:.4g} more: ask for "
        "more in AWS Service Quotas ({}), or remove what is not needed",
        allowed, need.what, ec2_.service().options().region, need.used, need.wanted, need.code));
  } else if (then > nearly * allowed) {
    unproven_.push_back(fmt::format(
        "with the plan's, {:.4g} of {:.4g} {} would be used: ask for more in AWS Service Quotas ({}) before "
        "there is no room",
        then, allowed, need.what, need.code));
  }
}

Result<> EbsQuotas::check_storage(const std::string& volume_type, std::uint64_t wanted_bytes) {
  const std::string what = fmt::format("TiB of {} volumes", volume_type);
  const auto* quota = std::find_if(std::begin(storage_quotas), std::end(storage_quotas),
                                   [&](const StorageQuota& one) { return one.volume_type == volume_type; });
  if (quota == std::end(storage_quotas)) {
    not_asked(what, "its code is not known");
    return {};
  }
  const auto most = allowed(what, quota->code);
  if (!most) return {};
  const auto used = TRY(counted(ec2_.volume_gib_of_type(volume_type), what));
  if (!used) return {};
  const double wanted = static_cast<double>(wanted_bytes) / static_cast<double>(gib) / gib_of_tib;
  compare({what, quota->code, static_cast<double>(*used) / gib_of_tib, wanted}, *most);
  return {};
}

Result<> EbsQuotas::check_snapshots(std::size_t wanted) {
  const auto most = allowed("snapshots", snapshot_quota);
  if (!most) return {};
  const auto used = TRY(counted(ec2_.count_snapshots(most_counted), "snapshots"));
  if (!used) return {};
  if (*used == most_counted && static_cast<double>(most_counted) < nearly * *most) {
    not_asked("snapshots",
              fmt::format("there are {} and more, and no more are counted; it is {:.0f}", *used, *most));
    return {};
  }
  if (static_cast<double>(*used + wanted) > *most) {  // no reason not to start what is there
    unproven_.push_back(fmt::format(
        "the account may have {:.0f} snapshots and has {}, so that no new DR copy can be made: ask "
        "for more in AWS Service Quotas ({}), or remove what is not needed",
        *most, *used, snapshot_quota));
    return {};
  }
  compare({"snapshots", snapshot_quota, static_cast<double>(*used), static_cast<double>(wanted)}, *most);
  return {};
}

Result<> EbsQuotas::check_pending() {
  const auto most = allowed("pending snapshots", pending_quota);
  if (!most) return {};
  const auto pending = TRY(counted(ec2_.count_pending_snapshots(), "pending snapshots"));
  if (!pending || static_cast<double>(*pending) <= nearly * *most) return {};
  unproven_.push_back(fmt::format(
      "{} of the {:.0f} snapshots that may be pending at a time ({}) are: DR copies wait until others are "
      "complete",
      *pending, *most, pending_quota));
  return {};
}

Result<Unproven> EbsQuotas::outcome() {
  if (too_small_.empty()) return std::move(unproven_);
  return error(ErrorCode::exhausted, "{}", fmt::join(too_small_, "; "));
}

}  // namespace

Result<Unproven> check_ebs_quotas(JsonClient& quotas, Ec2Client& ec2, const std::vector<LaunchSpec>& specs) {
  std::map<std::string, std::uint64_t> bytes_of_type;
  std::size_t disks = 0;
  for (const LaunchSpec& spec : specs) {
    disks += spec.disks;
    if (spec.volumes_bytes > 0)
      bytes_of_type[spec.volumes.type.empty() ? default_type : spec.volumes.type] += spec.volumes_bytes;
  }
  EbsQuotas checked(quotas, ec2);
  if (disks == 0) return checked.outcome();
  for (const auto& [type, bytes] : bytes_of_type) TRY(checked.check_storage(type, bytes));
  TRY(checked.check_snapshots(disks));
  TRY(checked.check_pending());
  return checked.outcome();
}

// Both are looked at, so that all that is too small is said at once.
Result<Unproven> check_account_quotas(JsonClient& quotas, Ec2Client& ec2,
                                      const std::vector<LaunchSpec>& specs) {
  auto vcpus = check_vcpu_quota(quotas, ec2, specs);
  if (!vcpus.ok() && vcpus.error().code() != ErrorCode::exhausted) return vcpus;
  const auto storage = check_ebs_quotas(quotas, ec2, specs);
  if (!storage.ok()) {
    if (vcpus.ok() || storage.error().code() != ErrorCode::exhausted) return vcpus.ok() ? storage : vcpus;
    return error(ErrorCode::exhausted, "{}; {}", vcpus.error().message(), storage.error().message());
  }
  if (!vcpus.ok()) return vcpus;
  vcpus->insert(vcpus->end(), storage->begin(), storage->end());
  return vcpus;
}

}  // namespace rekindle
