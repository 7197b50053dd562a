#include "model/copy_encryption.h"

#include <algorithm>

namespace rekindle {

bool starts_encrypted(const VolumeSettings& volumes) {
  return volumes.encrypted == true || !volumes.kms_key.empty();
}

namespace {

bool one_starts_encrypted(const FailoverSettings& production, const FailoverSettings& test) {
  return starts_encrypted(production.volumes) || starts_encrypted(test.volumes);
}

}  // namespace

bool encrypts_copies(const DrPlan& plan) {
  return plan.encrypt_copies || one_starts_encrypted(plan.production, plan.test) ||
         std::any_of(plan.machines.begin(), plan.machines.end(), [](const PlanMachine& machine) {
           return one_starts_encrypted(machine.production, machine.test);
         });
}

}  // namespace rekindle
