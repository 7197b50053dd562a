#include "recover/preflight.h"

#include <algorithm>
#include <map>

#include "jobs/dr_copies.h"
#include "model/copy_encryption.h"
#include "model/json.h"
#include "prepare/copy_template.h"
#include "recover/encrypted_start.h"
#include "recover/launch_settings.h"
#include "recover/plan_failover.h"
#include "recover/running_tests.h"
#include "recover/second_home.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

class Check {
 public:
  Check(const PreflightParts& parts, DrPlan plan, FailoverKind kind)
      : parts_(parts), plan_(std::move(plan)), kind_(kind) {}

  Result<Preflight> run();

 private:
  void add(Light light, const std::string& topic, std::string sentence) {
    result_.findings.push_back({light, machine_, topic, std::move(sentence)});
    result_.light = std::max(result_.light, light);
  }
  bool kind_of_test() const { return kind_ == FailoverKind::test; }
  bool check_account();
  Result<> check_machine(const PlanMachine& machine);
  Result<> check_proxy();
  bool check_images(const DrCopy& copy);
  void check_template(const DrCopy& copy);
  Result<> check_age(const DrCopy& copy);
  Result<std::optional<std::string>> missed_backups(Time newest);
  void check_damage(const DrCopy& copy);
  void check_encryption(const DrCopy& copy);
  void check_certificate(const DrCopy& copy);
  void check_launch(const PlanMachine& machine, const DrCopy& copy);
  bool check_addresses(const FailoverSettings& settings, const LaunchSpec& spec);
  void check_candidates(const LaunchChoice& choice, const DrCopy& copy);
  void add_unproven(const std::string& topic, const Unproven& unproven);
  void check_quotas();
  void check_room();
  void check_calls();
  Result<> check_second_home(const DrCopy& copy);
  Result<> check_unfinished();
  Result<> check_tests();
  Result<std::optional<milliseconds>> duration_of(const std::string& machine);
  Result<> forecast();

  const PreflightParts& parts_;
  const DrPlan plan_;
  const FailoverKind kind_;
  RecoveryTarget* site_ = nullptr;
  std::string machine_;                           // that is being looked at
  std::map<std::string, std::string> addresses_;  // subnet and address, or public address -> machine
  std::vector<LaunchSpec> launches_;              // of all machines, as far as their settings make sense
  std::map<std::string, std::uint64_t> starts_;   // subnet -> machines that start there
  std::optional<DrCopy> copy_;                    // of the last machine that has one: calls are tried on it
  Preflight result_;
};

bool Check::check_account() {
  const auto site = parts_.sites.account(plan_.account);
  if (!site.ok()) {
    add(Light::red, "account", site.error().message());
    return false;
  }
  const auto identity = (*site)->identity();
  if (!identity.ok()) {
    add(Light::red, "account", identity.error().message());
    return false;
  }
  site_ = *site;
  add(Light::green, "account", fmt::format("{} answers as {}", plan_.account, *identity));
  return true;
}

// Without its proxy the plan's DR copies grow old; a failover of those that are there works.
Result<> Check::check_proxy() {
  if (plan_.write != ImageWriting::volume) return {};
  const auto account = parts_.catalog.get<Account>(plan_.account);
  if (!account.ok() && account.error().code() != ErrorCode::not_found) return account.error();
  const std::string id = account.ok() ? account->proxy_instance_id : std::string();
  if (id.empty()) {
    add(Light::yellow, "proxy",
        fmt::format(
            "the plan writes through volumes, and the account {} names no proxy: no DR copy can be made; "
            "name it with 'rekindle account add --proxy-instance-id', or set write: direct",
            plan_.account));
    return {};
  }
  const auto proxy = site_->instance(InstanceId(id));
  if (!proxy.ok()) {
    add(Light::yellow, "proxy", fmt::format("no DR copy can be made: {}", proxy.error().message()));
  } else if (proxy->state != InstanceState::running) {
    add(Light::yellow, "proxy",
        fmt::format("the proxy {} does not run, and no DR copy can be made without it; start it", id));
  } else {
    add(Light::green, "proxy", fmt::format("{} runs", id));
  }
  return {};
}

// Whether all are there.
bool Check::check_images(const DrCopy& copy) {
  for (const DrCopyDisk& disk : copy.disks) {
    const auto image = site_->image(disk.image_id);
    if (image.ok() && image->state == ImageState::complete) continue;
    add(Light::red, "DR copy",
        fmt::format("its image {} {}; make a new copy with 'rekindle replicate run {}'", disk.image_id,
                    image.ok() ? "is not complete" : "cannot be found (" + image.error().message() + ")",
                    plan_.name));
    return false;
  }
  add(Light::green, "DR copy", fmt::format("{} disks, complete", copy.disks.size()));
  return true;
}

// A copy that is not converted is launched as a child of its boot image; what the site says of the one it
// says of the other.
void Check::check_template(const DrCopy& copy) {
  if (!copy.template_id.empty() || copy.disks.empty()) return;
  const std::string name = "rekindle-check-" + copy.id;
  const Result<> accepted =
      site_->check_template(template_of(copy, copy.disks.at(0).image_id, name, {{token_tag, name}}));
  if (accepted.ok()) {
    add(Light::green, "template", "can be registered");
  } else {
    add(Light::red, "template", accepted.error().message());
  }
}

// Two times of a policy that names the machine have passed since the newest point: says which.
Result<std::optional<std::string>> Check::missed_backups(Time newest) {
  const auto policies = TRY(parts_.catalog.list<BackupPolicy>());
  const auto machine = parts_.catalog.get<ProtectedMachine>(machine_);
  for (const BackupPolicy& policy : policies) {
    const bool is_named =
        std::any_of(policy.machines.begin(), policy.machines.end(), [&](const std::string& name) {
          return name == machine_ || (machine.ok() && name == machine->id.str());
        });
    const auto slot = is_named ? last_slot(policy.schedule, parts_.clock.now()) : std::nullopt;
    const auto slot_before = slot ? last_slot(policy.schedule, *slot - milliseconds(1)) : std::nullopt;
    if (!slot_before || newest >= *slot_before) continue;
    return std::optional(fmt::format("its policy {} wants a backup '{}', and the newest is of {}",
                                     policy.name, to_string(policy.schedule), to_iso8601(newest)));
  }
  return std::optional<std::string>();
}

// Late is a copy that should have been brought up twice since, or one of which that cannot be told, for there
// are no backups any more.
Result<> Check::check_age(const DrCopy& copy) {
  auto points = TRY(parts_.catalog.list<RecoveryPoint>(machine_));
  std::erase_if(points, [&](const RecoveryPoint& point) { return point.time <= copy.recovery_point_time; });
  const auto age = parts_.clock.now() - copy.recovery_point_time;
  const std::string old = fmt::format("data of {} ({} old)", to_iso8601(copy.recovery_point_time),
                                      human_duration(std::chrono::duration_cast<milliseconds>(age)));
  const auto slot = last_slot(plan_.replicate, parts_.clock.now());
  const auto slot_before = slot ? last_slot(plan_.replicate, *slot - milliseconds(1)) : std::nullopt;
  const bool missed = plan_.replicate.kind == ScheduleKind::after_backup
                          ? points.size() > 1
                          : !points.empty() && slot_before && points.front().time < *slot_before;
  if (missed) {
    add(Light::yellow, "age",
        fmt::format("{}, and {} newer recovery points are not in it: is 'rekindle serve' running?", old,
                    points.size()));
    return {};
  }
  Time newest = copy.recovery_point_time;
  for (const RecoveryPoint& point : points) newest = std::max(newest, point.time);
  const auto missed_ones = TRY(missed_backups(newest));
  if (missed_ones) {
    add(Light::yellow, "age", fmt::format("{}; {}: is 'rekindle serve' running?", old, *missed_ones));
  } else {
    add(Light::green, "age", old);
  }
  return {};
}

void Check::check_damage(const DrCopy& copy) {
  for (const CopyDamage& damage : copy.damaged) {
    add(Light::red, "copy damaged",
        fmt::format("disk {}: block {} (of 512 KiB) is not what its recovery point says, as was found at {}; "
                    "'rekindle replicate run {}' makes it anew",
                    damage.disk_id, damage.block, to_iso8601(damage.found), plan_.name));
  }
}

void Check::check_encryption(const DrCopy& copy) {
  if (copy.encrypted || !encrypts_copies(plan_)) return;
  const auto lacking = leaves_out_zeros(*site_, copy);
  if (lacking.ok() && !*lacking) return;  // the account encrypted them by default
  add(Light::red, "encryption",
      fmt::format(
          "its DR copy leaves out zeros, which would read as noise on an encrypted volume; make one that "
          "holds them with 'rekindle replicate run {}'",
          plan_.name));
}

void Check::check_certificate(const DrCopy& copy) {
  if (!copy.certificate) {
    if (copy.converted) return;
    add(Light::yellow, "certificate",
        "the copy is converted only at failover, so that nobody knows whether it boots; set convert: ahead "
        "in "
        "the DR plan");
    return;
  }
  const BootCertificate& certificate = *copy.certificate;
  const auto is_signed = parts_.is_signed(copy);
  if (!is_signed.ok()) {
    add(Light::yellow, "certificate", "its signature was not checked: " + is_signed.error().message());
  } else if (!*is_signed || certificate.recovery_point_id != copy.recovery_point_id) {
    add(Light::red, "certificate", "its signature is not by this vault, or of another recovery point");
    return;
  }
  if (!certificate.would_boot) {
    add(Light::red, "certificate", "would not boot: " + certificate.reason);
  } else {
    add(certificate.warnings.empty() ? Light::green : Light::yellow, "certificate",
        certificate.warnings.empty() ? "would boot" : "would boot; " + certificate.warnings.front());
  }
}

// Whether no other machine has what only one can have.
bool Check::check_addresses(const FailoverSettings& settings, const LaunchSpec& spec) {
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

void Check::add_unproven(const std::string& topic, const Unproven& unproven) {
  for (const std::string& sentence : unproven) add(Light::yellow, topic, sentence);
}

void Check::check_launch(const PlanMachine& machine, const DrCopy& copy) {
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
void Check::check_candidates(const LaunchChoice& choice, const DrCopy& copy) {
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
void Check::check_quotas() {
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
void Check::check_room() {
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

// Those that start the machines have been tried above; without these others a failover works, and something
// of it stays. Where no machine has a copy, red has been said of that, and there is nothing to try them on.
void Check::check_calls() {
  machine_.clear();
  if (!copy_) return;
  const auto tried = site_->try_calls(*copy_);
  if (!tried.ok()) {
    add(Light::yellow, "permissions", "were not tried: " + tried.error().message());
  } else if (!tried->refused.empty()) {
    add(Light::yellow, "permissions",
        fmt::format("{} may not be called: what a failover leaves would stay, or not come home; compare the "
                    "role's policy with 'rekindle account policy'",
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

Result<> Check::check_second_home(const DrCopy& copy) {
  const Result<> refused = refuse_second_instance(parts_.catalog, machine_, kind_);
  if (!refused.ok()) add(Light::red, "failover", refused.error().message());
  const auto failovers = TRY(parts_.catalog.list<Failover>(machine_));
  for (const Failover& failover : failovers) {
    if (failover.kind != kind_ || failover.state != FailoverState::returned) continue;
    const Result<> old = refuse_older_copy(parts_.catalog, failover, copy);
    if (!old.ok()) add(Light::red, "failover", old.error().message());
  }
  return {};
}

// Until such a job has ended, nothing else is done for the machine: no replication, no other failover.
Result<> Check::check_unfinished() {
  const auto jobs = TRY(parts_.catalog.unfinished_jobs());
  for (const Job& job : jobs) {
    if (job.subject != machine_ && (!machine_.empty() || job.subject != plan_subject(plan_.name))) continue;
    if (job.kind == JobKind::failback) {
      add(Light::yellow, "unfinished",
          fmt::format(
              "its failback {} is not finished; go on with 'rekindle failback start {}', or give it up "
              "with 'rekindle failback cancel {}'",
              job.id, text(job.parameters, "plan"), text(job.parameters, "plan")));
    } else if (job.kind == JobKind::failover || job.kind == JobKind::failover_cleanup ||
               job.kind == JobKind::plan_failover) {
      add(Light::yellow, "unfinished",
          fmt::format(
              "{} {} is not finished; if nobody works at it, go on with 'rekindle job resume', or end "
              "it with 'rekindle failover clean-up {}'",
              word(job.kind), job.id, job.parameters.value("plan", plan_.name)));
    }
  }
  return {};
}

Result<> Check::check_tests() {
  const auto tests = TRY(look_at_tests(parts_.catalog, plan_.name, parts_.clock.now()));
  for (const Finding& test : tests) {
    machine_ = test.machine;
    add(test.light, test.topic, test.sentence);
  }
  machine_.clear();
  return {};
}

Result<> Check::check_machine(const PlanMachine& machine) {
  machine_ = machine.machine;
  TRY(check_unfinished());
  const auto copy = TRY(current_copy(parts_.catalog, plan_.name, machine_));
  if (!copy) {
    add(Light::red, "DR copy",
        fmt::format("it has none; make one with 'rekindle replicate run {}'", plan_.name));
    return {};
  }
  if (check_images(*copy)) {
    check_template(*copy);
    copy_ = copy;
  }
  TRY(check_age(*copy));
  check_damage(*copy);
  check_encryption(*copy);
  check_certificate(*copy);
  check_launch(machine, *copy);
  return check_second_home(*copy);
}

// The median of its last failovers.
Result<std::optional<milliseconds>> Check::duration_of(const std::string& machine) {
  constexpr std::size_t counted = 5;
  const auto jobs = TRY(parts_.catalog.jobs_of(machine));
  std::vector<milliseconds> durations;
  for (auto job = jobs.rbegin(); job != jobs.rend() && durations.size() < counted; ++job) {
    if (job->kind == JobKind::failover && job->state == JobState::succeeded)
      durations.push_back(job->updated - job->created);
  }
  if (durations.empty()) return std::optional<milliseconds>();
  std::sort(durations.begin(), durations.end());
  return std::optional(durations[durations.size() / 2]);
}

Result<> Check::forecast() {
  machine_.clear();
  std::map<std::string, milliseconds> known;
  for (const PlanMachine& machine : plan_.machines) {
    const auto duration = TRY(duration_of(machine.machine));
    if (duration) known[machine.machine] = *duration;
  }
  if (known.empty()) {
    add(Light::yellow, "forecast",
        fmt::format(
            "no failover of these machines was measured yet; try one with 'rekindle failover start {} "
            "--test'",
            plan_.name));
    return {};
  }
  milliseconds longest{0};
  for (const auto& [machine, duration] : known) longest = std::max(longest, duration);
  milliseconds total{0};
  for (const PlanStep& step : steps_of(plan_)) {
    milliseconds slowest{0};
    for (const std::string& machine : step.machines) {
      const auto found = known.find(machine);
      slowest = std::max(slowest, found == known.end() ? longest : found->second);
    }
    total += std::chrono::seconds(step.delay_seconds) + slowest;
  }
  result_.forecast = total;
  add(Light::green, "forecast",
      fmt::format("{} from the click to the last answer, by the failovers so far", human_duration(total)));
  return {};
}

Result<Preflight> Check::run() {
  if (!check_account()) return result_;
  TRY(check_proxy());
  TRY(check_unfinished());
  TRY(check_tests());
  for (const PlanMachine& machine : plan_.machines) TRY(check_machine(machine));
  check_room();
  check_calls();
  check_quotas();
  TRY(forecast());
  return result_;
}

}  // namespace

Result<Preflight> check_readiness(const PreflightParts& parts, const std::string& plan, FailoverKind kind) {
  auto found = TRY(parts.catalog.get<DrPlan>(plan));
  return Check(parts, std::move(found), kind).run();
}

std::string_view to_string(Light light) {
  switch (light) {
    case Light::green:
      return "green";
    case Light::yellow:
      return "yellow";
    case Light::red:
      return "red";
  }
  return "red";
}

}  // namespace rekindle
