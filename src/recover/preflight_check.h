// The looks of a preflight (preflight.h): what is said of the plan, of each machine's DR copy (preflight.cc)
// of what the account would do (preflight_launch.cc), and of the scripts inside machines
// (preflight_scripts.cc). For one use; one thread.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "recover/failover_forecast.h"
#include "recover/launch_settings.h"
#include "recover/preflight.h"

namespace rekindle {

class PreflightCheck {
 public:
  PreflightCheck(const PreflightParts& parts, DrPlan plan, FailoverKind kind)
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
  void check_encryption(const PlanMachine& machine, const DrCopy& copy);
  void check_certificate(const DrCopy& copy);
  void check_launch(const PlanMachine& machine, const DrCopy& copy);
  bool check_addresses(const FailoverSettings& settings, const LaunchSpec& spec);
  void check_candidates(const LaunchChoice& choice, const DrCopy& copy);
  void add_unproven(const std::string& topic, const Unproven& unproven);
  void check_quotas();
  void check_room();
  void check_calls();
  PlannedCalls planned_calls() const;
  void check_scripts();
  void check_script_on(const PlanMachine& machine, const std::string& step);
  void check_keys();
  void check_key(const std::string& key);
  void ask_for_default_encryption();
  Result<> check_second_home(const DrCopy& copy);
  Result<> check_unfinished();
  Result<> check_tests();
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
  std::set<std::string> keys_;                    // that encrypt copies, or will
  bool lacks_zeros_ = false;                      // the copy that is being looked at
  bool encrypts_by_default_ = false;              // the account
  Preflight result_;
};

}  // namespace rekindle
