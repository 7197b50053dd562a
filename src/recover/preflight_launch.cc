// PreflightCheck: whether the account would start the machines as the plan says, and do the rest.
#include <fmt/ranges.h>

#include <algorithm>

#include "model/copy_encryption.h"
#include "recover/preflight_check.h"

namespace rekindle {

// Whether no other machine has what only one can have.
bool PreflightCheck::check_addresses(const FailoverSettings& settings, const LaunchSpec& spec) {
  std::vector<std::pair<std::string, std::string>> own;
  if (!settings.private_ip.empty())
    own.emplace_back(settings.subnet_id + " " + settings.private_ip, settings.private_ip);
  if (!spec.elastic_ip.empty()) own.emplace_back(spec.elastic_ip, spec.elastic_ip);
  for (const auto& [key, address] : own) {
    const auto [taken, is_new] = addresses_.emplace(key, machine_);
    if (is_new) continue;
    add(Light::red, "launch", fmt::format("its address {} is that of {} too", address, taken->second));
    return false;
  }
  return true;
}

void PreflightCheck::add_unproven(const std::string& topic, const Unproven& unproven) {
  for (const std::string& sentence : unproven) add(Light::yellow, topic, sentence);
}

void PreflightCheck::check_launch(const PlanMachine& machine, const DrCopy& copy) {
  const FailoverSettings wanted = settings_of(plan_, machine, kind_);
  const auto choice = resolve_candidates(*site_, copy, wanted);
  if (!choice.ok()) {
    add(Light::red, "launch", choice.error().message());
    return;
  }
  if (!check_addresses(choice->settings, launch_spec_of(choice->settings, copy))) return;
  const bool in_production =
      kind_of_test() && wanted.subnet_id == settings_of(plan_, machine, FailoverKind::production).subnet_id;
  if (in_production) {
    add(Light::yellow, "isolation",
        fmt::format("a test starts in production's subnet {}; set another in the plan's test settings",
                    wanted.subnet_id));
  }
  add_unproven("launch", choice->remarks);
  check_candidates(*choice, copy);
}

// As failover tries them: where there is no room for one, the next.
void PreflightCheck::check_candidates(const LaunchChoice& choice, const DrCopy& copy) {
  LaunchSpec spec = launch_spec_of(choice.settings, copy);
  Result<> first;
  for (const LaunchCandidate& candidate : choice.candidates) {
    start_as(spec, candidate);
    LaunchSpec asked = spec;
    asked.image_template = copy.template_id;  // with one, the site itself says whether it would launch
    const auto accepted = site_->check_launch(asked);
    if (!accepted.ok()) {
      if (first.ok()) first = accepted.error();
      if (accepted.error().code() == ErrorCode::exhausted) continue;
      break;
    }
    launches_.push_back(spec);
    ++starts_[spec.subnet_id];
    const std::string where = fmt::format("{} in {}", spec.instance_type, spec.subnet_id);
    add_unproven("launch", *accepted);
    if (!first.ok()) {
      add(Light::yellow, "launch", fmt::format("{}, for {}", where, first.error().message()));
    } else if (accepted->empty()) {
      add(Light::green, "launch", where);
    }
    return;
  }
  start_as(spec, choice.candidates.front());
  launches_.push_back(spec);
  add(Light::red, "launch", first.error().message());
}

// What cannot be asked is no reason to doubt.
void PreflightCheck::check_quotas() {
  machine_.clear();
  if (launches_.empty()) return;
  const auto allowed = site_->check_quotas(launches_);
  if (allowed.ok()) {
    add_unproven("quotas", *allowed);
    if (allowed->empty())
      add(Light::green, "quotas", fmt::format("leave room for {} instances", launches_.size()));
  } else if (allowed.error().code() == ErrorCode::exhausted) {
    add(Light::red, "quotas", allowed.error().message());
  } else {
    add(Light::yellow, "quotas", "were not checked: " + allowed.error().message());
  }
}

// Each alone was found to have an address; all together may not.
void PreflightCheck::check_room() {
  machine_.clear();
  for (const auto& [subnet_id, count] : starts_) {
    const auto subnet = site_->subnet(subnet_id);
    if (!subnet.ok()) {
      add(Light::yellow, "addresses",
          fmt::format("those of {} were not counted: {}", subnet_id, subnet.error().message()));
    } else if (subnet->free_addresses < count) {
      add(Light::red, "addresses",
          fmt::format("{} machines start in {}, which has {} free addresses; take a larger subnet, or free "
                      "some",
                      count, subnet_id, subnet->free_addresses));
    } else {
      add(Light::green, "addresses", fmt::format("{} free in {}", subnet->free_addresses, subnet_id));
    }
  }
}

PlannedCalls PreflightCheck::planned_calls() const {
  PlannedCalls planned;
  planned.through_volumes = plan_.write == ImageWriting::volume;
  for (const PlanMachine& machine : plan_.machines) {
    const FailoverSettings settings = settings_of(plan_, machine, kind_);
    if (settings.source_dest_check == false) planned.without_source_check = true;
    if (settings.health_check == "status") planned.asks_site_checks = true;
    if (settings.public_ip.starts_with("eipalloc-")) planned.elastic_ip = settings.public_ip;
  }
  return planned;
}

// Those that start the machines have been tried above; these others make the copies and give addresses, end a
// failover and bring it home. Where no machine has a copy, red has been said of that, and there is nothing to
// try them on.
void PreflightCheck::check_calls() {
  machine_.clear();
  if (!copy_) return;
  const auto tried = site_->try_calls(*copy_, planned_calls());
  if (!tried.ok()) {
    add(Light::yellow, "permissions", "were not tried: " + tried.error().message());
  } else if (!tried->refused.empty()) {
    add(Light::red, "permissions",
        fmt::format("{} may not be called, and without them no copy is made, or a failover is not finished, "
                    "stays, or does not come home; compare the role's policy with 'rekindle account policy'",
                    fmt::join(tried->refused, ", ")));
  } else if (tried->allowed.empty()) {
    add(Light::yellow, "permissions",
        fmt::format("none could be tried: {}", fmt::join(tried->untried, ", ")));
  } else {
    add(Light::green, "permissions",
        fmt::format("{} may be called{}", fmt::join(tried->allowed, ", "),
                    tried->untried.empty()
                        ? std::string()
                        : fmt::format("; not tried, for there is nothing to try them on: {}",
                                      fmt::join(tried->untried, ", "))));
  }
}

void PreflightCheck::check_key(const std::string& key) {
  const auto usable = site_->check_key(key);
  if (!usable.ok()) {
    const bool is_wrong = usable.error().code() == ErrorCode::invalid_argument;
    add(is_wrong ? Light::red : Light::yellow, "key",
        (is_wrong ? "" : "was not checked: ") + usable.error().message());
    return;
  }
  add_unproven("key", *usable);
  if (usable->empty()) add(Light::green, "key", fmt::format("{} can be used", key));
}

// Those of the copies that are there, of those that will be made, and of the volumes of the machines: each
// once, as a whole. Launches look at theirs only as far as they need.
void PreflightCheck::check_keys() {
  machine_.clear();
  if (encrypts_copies(plan_) && !plan_.copies_kms_key.empty()) keys_.insert(plan_.copies_kms_key);
  for (const LaunchSpec& launch : launches_) {
    if (!launch.volumes.kms_key.empty()) keys_.insert(launch.volumes.kms_key);
  }
  for (const std::string& key : keys_) check_key(key);
}

void PreflightCheck::ask_for_default_encryption() {
  const auto encrypts = site_->encrypts_by_default();
  if (encrypts.ok()) {
    encrypts_by_default_ = *encrypts;
  } else {
    add(Light::yellow, "encryption",
        "whether the account encrypts by default was not asked: " + encrypts.error().message());
  }
}

}  // namespace rekindle
