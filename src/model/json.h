// The model as JSON: the same words as the fields. One place, so that catalog, vault and CLI agree.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/dr_plan.h"
#include "model/job.h"
#include "model/ledger_entry.h"
#include "model/machine.h"
#include "model/recovery_point.h"
#include "model/settings.h"

namespace nlohmann {

template <typename Tag>
struct adl_serializer<rekindle::Id<Tag>> {
  static void to_json(json& j, const rekindle::Id<Tag>& id) { j = id.str(); }
  static void from_json(const json& j, rekindle::Id<Tag>& id) {
    id = rekindle::Id<Tag>(j.get<std::string>());
  }
};

template <>
struct adl_serializer<rekindle::Time> {  // ISO 8601, UTC
  static void to_json(json& j, const rekindle::Time& time);
  static void from_json(const json& j, rekindle::Time& time);
};

}  // namespace nlohmann

namespace rekindle {

NLOHMANN_JSON_SERIALIZE_ENUM(Firmware, {{Firmware::bios, "bios"}, {Firmware::uefi, "uefi"}})
NLOHMANN_JSON_SERIALIZE_ENUM(PowerState, {{PowerState::off, "off"},
                                          {PowerState::on, "on"},
                                          {PowerState::suspended, "suspended"}})
NLOHMANN_JSON_SERIALIZE_ENUM(CredentialKind, {{CredentialKind::access_key, "access_key"},
                                              {CredentialKind::environment, "environment"},
                                              {CredentialKind::profile, "profile"},
                                              {CredentialKind::instance_role, "instance_role"}})
NLOHMANN_JSON_SERIALIZE_ENUM(RunsAt, {{RunsAt::datacenter, "datacenter"}, {RunsAt::account, "account"}})
NLOHMANN_JSON_SERIALIZE_ENUM(DrCopyState, {{DrCopyState::pending, "pending"},
                                           {DrCopyState::current, "current"},
                                           {DrCopyState::kept, "kept"},
                                           {DrCopyState::retired, "retired"},
                                           {DrCopyState::aside, "aside"}})
NLOHMANN_JSON_SERIALIZE_ENUM(OnFailure, {{OnFailure::abort, "abort"}, {OnFailure::go_on, "go-on"}})
NLOHMANN_JSON_SERIALIZE_ENUM(DrWorkflow, {{DrWorkflow::snapshots, "ebs-snapshot"}, {DrWorkflow::ami, "ami"}})
NLOHMANN_JSON_SERIALIZE_ENUM(ConvertWhen,
                             {{ConvertWhen::ahead, "ahead"}, {ConvertWhen::at_failover, "at-failover"}})
NLOHMANN_JSON_SERIALIZE_ENUM(ImageWriting,
                             {{ImageWriting::direct, "direct"}, {ImageWriting::volume, "volume"}})
NLOHMANN_JSON_SERIALIZE_ENUM(FailoverKind,
                             {{FailoverKind::production, "production"}, {FailoverKind::test, "test"}})
NLOHMANN_JSON_SERIALIZE_ENUM(FailoverState, {{FailoverState::running, "running"},
                                             {FailoverState::returned, "returned"},
                                             {FailoverState::released, "released"}})
// What they mean is said in dr_plan.h.
NLOHMANN_JSON_SERIALIZE_ENUM(JobKind, {{JobKind::backup, "backup"},
                                       {JobKind::replicate, "replicate"},
                                       {JobKind::failover, "failover"},
                                       {JobKind::failover_cleanup, "failover_cleanup"},
                                       {JobKind::plan_failover, "plan_failover"},
                                       {JobKind::instance_backup, "instance_backup"},
                                       {JobKind::failback, "failback"}})
NLOHMANN_JSON_SERIALIZE_ENUM(JobState, {{JobState::failed, "failed"},
                                        {JobState::running, "running"},
                                        {JobState::cleaning, "cleaning"},
                                        {JobState::succeeded, "succeeded"},
                                        {JobState::cancelled, "cancelled"}})
NLOHMANN_JSON_SERIALIZE_ENUM(ResourceKind, {{ResourceKind::machine_snapshot, "machine_snapshot"},
                                            {ResourceKind::image, "image"},
                                            {ResourceKind::machine_template, "machine_template"},
                                            {ResourceKind::instance, "instance"},
                                            {ResourceKind::volume, "volume"},
                                            {ResourceKind::instance_snapshot, "instance_snapshot"},
                                            {ResourceKind::restored_machine, "restored_machine"}})
NLOHMANN_JSON_SERIALIZE_ENUM(ResourceState, {{ResourceState::intended, "intended"},
                                             {ResourceState::exists, "exists"},
                                             {ResourceState::released, "released"}})

// The JSON word of an enumerator.
template <typename Enum>
std::string word(Enum value) {
  return nlohmann::json(value).get<std::string>();
}

// Structs below: to_json writes every field, of settings that may be inherited only those that are set;
// from_json takes absent fields as their defaults and throws nlohmann's exception on a wrong type, which
// parse_json() turns into an Error.
void to_json(nlohmann::json& j, const DiskSpec& value);
void from_json(const nlohmann::json& j, DiskSpec& value);
void to_json(nlohmann::json& j, const NicSpec& value);
void from_json(const nlohmann::json& j, NicSpec& value);
void to_json(nlohmann::json& j, const Machine& value);
void from_json(const nlohmann::json& j, Machine& value);
void to_json(nlohmann::json& j, const RecoveryPointDisk& value);
void from_json(const nlohmann::json& j, RecoveryPointDisk& value);
void to_json(nlohmann::json& j, const RecoveryPoint& value);
void from_json(const nlohmann::json& j, RecoveryPoint& value);
void to_json(nlohmann::json& j, const Datacenter& value);
void from_json(const nlohmann::json& j, Datacenter& value);
void to_json(nlohmann::json& j, const Account& value);
void from_json(const nlohmann::json& j, Account& value);
void to_json(nlohmann::json& j, const VaultSettings& value);
void from_json(const nlohmann::json& j, VaultSettings& value);
void to_json(nlohmann::json& j, const RetentionRules& value);
void from_json(const nlohmann::json& j, RetentionRules& value);
void to_json(nlohmann::json& j, const BackupPolicy& value);
void from_json(const nlohmann::json& j, BackupPolicy& value);
void to_json(nlohmann::json& j, const ProtectedMachine& value);
void from_json(const nlohmann::json& j, ProtectedMachine& value);
void to_json(nlohmann::json& j, const Schedule& value);  // as users write it: "every 15m"
void from_json(const nlohmann::json& j, Schedule& value);
void to_json(nlohmann::json& j, const VolumeSettings& value);
void from_json(const nlohmann::json& j, VolumeSettings& value);
void to_json(nlohmann::json& j, const FailoverSettings& value);
void from_json(const nlohmann::json& j, FailoverSettings& value);
void to_json(nlohmann::json& j, const FailbackSettings& value);
void from_json(const nlohmann::json& j, FailbackSettings& value);
void to_json(nlohmann::json& j, const PlanMachine& value);
void from_json(const nlohmann::json& j, PlanMachine& value);
void to_json(nlohmann::json& j, const PlanStep& value);
void from_json(const nlohmann::json& j, PlanStep& value);
void to_json(nlohmann::json& j, const DrPlan& value);
void from_json(const nlohmann::json& j, DrPlan& value);
void to_json(nlohmann::json& j, const DrCopyDisk& value);
void from_json(const nlohmann::json& j, DrCopyDisk& value);
void to_json(nlohmann::json& j, const ConvertedBlock& value);
void from_json(const nlohmann::json& j, ConvertedBlock& value);
void to_json(nlohmann::json& j, const CertificateCheck& value);
void from_json(const nlohmann::json& j, CertificateCheck& value);
void to_json(nlohmann::json& j, const BootCertificate& value);
void from_json(const nlohmann::json& j, BootCertificate& value);
void to_json(nlohmann::json& j, const CopyDamage& value);
void from_json(const nlohmann::json& j, CopyDamage& value);
void to_json(nlohmann::json& j, const DrCopy& value);
void from_json(const nlohmann::json& j, DrCopy& value);
void to_json(nlohmann::json& j, const Failover& value);
void from_json(const nlohmann::json& j, Failover& value);
void to_json(nlohmann::json& j, const Approval& value);
void from_json(const nlohmann::json& j, Approval& value);
void to_json(nlohmann::json& j, const StepTiming& value);
void from_json(const nlohmann::json& j, StepTiming& value);
void to_json(nlohmann::json& j, const Job& value);
void from_json(const nlohmann::json& j, Job& value);
void to_json(nlohmann::json& j, const LedgerEntry& value);
void from_json(const nlohmann::json& j, LedgerEntry& value);

// `corrupt` when the text is not JSON or a field has the wrong type.
Result<nlohmann::json> parse_json_text(std::string_view text);

template <typename T>
Result<T> parse_json(std::string_view text) {
  const nlohmann::json parsed = TRY(parse_json_text(text));
  try {
    return parsed.get<T>();
  } catch (const nlohmann::json::exception& failure) {
    return error(ErrorCode::corrupt, "the record does not have the expected fields: {}", failure.what());
  }
}

}  // namespace rekindle
