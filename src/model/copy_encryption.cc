#include "model/copy_encryption.h"

#include <algorithm>

namespace rekindle {

namespace {

bool encrypts(const VolumeSettings& volumes) {
  return volumes.encrypted == true || !volumes.kms_key.empty();
}

bool starts_encrypted(const FailoverSettings& production, const FailoverSettings& test) {
  return encrypts(production.volumes) || encrypts(test.volumes);
}

}  // namespace

bool encrypts_copies(const DrPlan& plan) {
  return plan.encrypt_copies || starts_encrypted(plan.production, plan.test) ||
         std::any_of(plan.machines.begin(), plan.machines.end(), [](const PlanMachine& machine) {
           return starts_encrypted(machine.production, machine.test);
         });
}

}  // namespace rekindle
