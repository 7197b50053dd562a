#include "recover/preflight.h"

#include <algorithm>

#include "jobs/dr_copies.h"
#include "model/copy_encryption.h"
#include "model/json.h"
#include "prepare/copy_template.h"
#include "recover/plan_failover.h"
#include "recover/preflight_check.h"
#include "recover/running_tests.h"
#include "recover/second_home.h"

namespace rekindle {

using std::chrono::milliseconds;

bool PreflightCheck::check_account() {
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
Result<> PreflightCheck::check_proxy() {
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
bool PreflightCheck::check_images(const DrCopy& copy) {
  lacks_zeros_ = false;
  for (const DrCopyDisk& disk : copy.disks) {
    const auto image = site_->image(disk.image_id);
    if (image.ok() && image->state == ImageState::complete) {
      lacks_zeros_ = lacks_zeros_ || !image->zeros_must_be_put;
      continue;
    }
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
void PreflightCheck::check_template(const DrCopy& copy) {
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
Result<std::optional<std::string>> PreflightCheck::missed_backups(Time newest) {
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
Result<> PreflightCheck::check_age(const DrCopy& copy) {
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

void PreflightCheck::check_damage(const DrCopy& copy) {
  for (const CopyDamage& damage : copy.damaged) {
    add(Light::red, "copy damaged",
        fmt::format("disk {}: block {} (of 512 KiB) is not what its recovery point says, as was found at {}; "
                    "'rekindle replicate run {}' makes it anew",
                    damage.disk_id, damage.block, to_iso8601(damage.found), plan_.name));
  }
}

// An image that is not encrypted leaves its zeros out.
void PreflightCheck::check_encryption(const PlanMachine& machine, const DrCopy& copy) {
  if (!lacks_zeros_ || copy.encrypted) return;
  if (starts_encrypted(settings_of(plan_, machine, kind_).volumes)) {
    add(Light::red, "encryption",
        fmt::format(
            "its DR copy leaves out zeros, which would read as noise on an encrypted volume; make one that "
            "holds them with 'rekindle replicate run {}'",
            plan_.name));
  } else if (encrypts_by_default_) {
    add(Light::red, "encryption",
        fmt::format("the account encrypts every volume by default since its DR copy was made, which leaves "
                    "out zeros: they would read as noise; make one that holds them with 'rekindle replicate "
                    "run {}'",
                    plan_.name));
  } else if (encrypts_copies(plan_)) {
    add(Light::yellow, "encryption",
        fmt::format(
            "its DR copy is not encrypted yet, as the plan wants it to be; 'rekindle replicate run {}' "
            "makes one that is",
            plan_.name));
  }
}

void PreflightCheck::check_certificate(const DrCopy& copy) {
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

Result<> PreflightCheck::check_second_home(const DrCopy& copy) {
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
Result<> PreflightCheck::check_unfinished() {
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

Result<> PreflightCheck::check_tests() {
  const auto tests = TRY(look_at_tests(parts_.catalog, plan_.name, parts_.clock.now()));
  for (const Finding& test : tests) {
    machine_ = test.machine;
    add(test.light, test.topic, test.sentence);
  }
  machine_.clear();
  return {};
}

Result<> PreflightCheck::check_machine(const PlanMachine& machine) {
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
  if (copy->encrypted && !copy->kms_key.empty()) keys_.insert(copy->kms_key);
  TRY(check_age(*copy));
  check_damage(*copy);
  check_encryption(machine, *copy);
  check_certificate(*copy);
  check_launch(machine, *copy);
  return check_second_home(*copy);
}

// What was measured of failovers of this plan, and what that means for the next one.
Result<> PreflightCheck::forecast() {
  const FailoverForecast forecast = TRY(forecast_failover(parts_.catalog, plan_));
  for (const MachineForecast& of_machine : forecast.machines) {
    machine_ = of_machine.machine;
    add(Light::green, "forecast", sentence_of(of_machine));
  }
  machine_.clear();
  if (forecast.machines.empty()) {
    add(Light::yellow, "forecast",
        fmt::format(
            "no failover of these machines was measured yet; try one with 'rekindle failover start {} "
            "--test'",
            plan_.name));
    return {};
  }
  result_.forecast = forecast.total;
  add(Light::green, "forecast", sentence_of(forecast));
  return {};
}

Result<Preflight> PreflightCheck::run() {
  if (!check_account()) return result_;
  TRY(check_proxy());
  TRY(check_unfinished());
  TRY(check_tests());
  ask_for_default_encryption();
  for (const PlanMachine& machine : plan_.machines) TRY(check_machine(machine));
  check_room();
  check_calls();
  check_keys();
  check_scripts();
  check_quotas();
  TRY(forecast());
  return result_;
}

Result<Preflight> check_readiness(const PreflightParts& parts, const std::string& plan, FailoverKind kind) {
  auto found = TRY(parts.catalog.get<DrPlan>(plan));
  return PreflightCheck(parts, std::move(found), kind).run();
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
