// The DR plan and the DR copy as JSON. Settings that may be inherited are written only where they are set.
#include <type_traits>

#include "model/json.h"
#include "model/test_expiry.h"

namespace rekindle {

namespace {

template <typename T>
void write_if_set(nlohmann::json& j, const char* key, const T& value) {
  if constexpr (std::is_same_v<T, std::optional<bool>>) {
    if (value) j[key] = *value;
  } else {
    if (value != T()) j[key] = value;
  }
}

template <typename T>
void read_if_there(const nlohmann::json& j, const char* key, T& value) {
  const auto found = j.find(key);
  if (found == j.end() || found->is_null()) return;
  if constexpr (std::is_same_v<T, std::optional<bool>>) {
    value = found->template get<bool>();
  } else {
    found->get_to(value);
  }
}

// NLOHMANN_JSON_SERIALIZE_ENUM takes an unknown word for the first one: a typing error must not choose.
template <typename Enum>
void read_word(const nlohmann::json& j, const char* key, Enum& value) {
  const auto found = j.find(key);
  if (found == j.end()) return;
  const Enum read = found->template get<Enum>();
  if (nlohmann::json(read) != *found) {
    throw nlohmann::json::other_error::create(501, fmt::format("{}: '{}' is not known", key, found->dump()),
                                              &j);
  }
  value = read;
}

std::chrono::minutes expiry_of(const nlohmann::json& j) {
  const auto parsed = parse_test_expiry(j.get<std::string>());
  if (parsed.ok()) return *parsed;
  throw nlohmann::json::other_error::create(501, "test_expires_after: " + parsed.error().message(), &j);
}

}  // namespace

void to_json(nlohmann::json& j, const Schedule& value) {
  j = to_string(value);
}

void from_json(const nlohmann::json& j, Schedule& value) {
  auto parsed = parse_schedule(j.get<std::string>());
  if (!parsed.ok()) throw nlohmann::json::other_error::create(501, parsed.error().message(), &j);
  value = *parsed;
}

void to_json(nlohmann::json& j, const VolumeSettings& value) {
  j = nlohmann::json::object();
  write_if_set(j, "type", value.type);
  write_if_set(j, "iops", value.iops);
  write_if_set(j, "throughput", value.throughput);
  write_if_set(j, "encrypted", value.encrypted);
  write_if_set(j, "kms_key", value.kms_key);
}

void from_json(const nlohmann::json& j, VolumeSettings& value) {
  value = {};
  read_if_there(j, "type", value.type);
  read_if_there(j, "iops", value.iops);
  read_if_there(j, "throughput", value.throughput);
  read_if_there(j, "encrypted", value.encrypted);
  read_if_there(j, "kms_key", value.kms_key);
}

void to_json(nlohmann::json& j, const FailoverSettings& value) {
  j = nlohmann::json::object();
  write_if_set(j, "instance_type", value.instance_type);
  write_if_set(j, "other_instance_types", value.other_instance_types);
  write_if_set(j, "other_subnets", value.other_subnets);
  write_if_set(j, "subnet_id", value.subnet_id);
  write_if_set(j, "security_group_ids", value.security_group_ids);
  write_if_set(j, "private_ip", value.private_ip);
  write_if_set(j, "same_host_as", value.same_host_as);
  write_if_set(j, "public_ip", value.public_ip);
  write_if_set(j, "instance_profile", value.instance_profile);
  write_if_set(j, "user_data", value.user_data);
  write_if_set(j, "source_dest_check", value.source_dest_check);
  write_if_set(j, "leave_stopped", value.leave_stopped);
  write_if_set(j, "health_check", value.health_check);
  write_if_set(j, "volumes", value.volumes);
  write_if_set(j, "tags", value.tags);
}

void from_json(const nlohmann::json& j, FailoverSettings& value) {
  value = {};
  read_if_there(j, "instance_type", value.instance_type);
  read_if_there(j, "other_instance_types", value.other_instance_types);
  read_if_there(j, "other_subnets", value.other_subnets);
  read_if_there(j, "subnet_id", value.subnet_id);
  read_if_there(j, "security_group_ids", value.security_group_ids);
  read_if_there(j, "private_ip", value.private_ip);
  read_if_there(j, "same_host_as", value.same_host_as);
  read_if_there(j, "public_ip", value.public_ip);
  read_if_there(j, "instance_profile", value.instance_profile);
  read_if_there(j, "user_data", value.user_data);
  read_if_there(j, "source_dest_check", value.source_dest_check);
  read_if_there(j, "leave_stopped", value.leave_stopped);
  read_if_there(j, "health_check", value.health_check);
  read_if_there(j, "volumes", value.volumes);
  read_if_there(j, "tags", value.tags);
}

void to_json(nlohmann::json& j, const FailbackSettings& value) {
  j = nlohmann::json::object();
  write_if_set(j, "datacenter", value.datacenter);
  write_if_set(j, "datastore", value.datastore);
  write_if_set(j, "networks", value.networks);
  write_if_set(j, "test_network", value.test_network);
  write_if_set(j, "health_check", value.health_check);
}

void from_json(const nlohmann::json& j, FailbackSettings& value) {
  value = {};
  read_if_there(j, "datacenter", value.datacenter);
  read_if_there(j, "datastore", value.datastore);
  read_if_there(j, "networks", value.networks);
  read_if_there(j, "test_network", value.test_network);
  read_if_there(j, "health_check", value.health_check);
}

void to_json(nlohmann::json& j, const PlanMachine& value) {
  j = {{"machine", value.machine}};
  write_if_set(j, "production", value.production);
  write_if_set(j, "test", value.test);
  write_if_set(j, "failback", value.failback);
}

void from_json(const nlohmann::json& j, PlanMachine& value) {
  value = {};
  j.at("machine").get_to(value.machine);
  read_if_there(j, "settings", value.production);  // its name in the catalogs of earlier versions
  read_if_there(j, "production", value.production);
  read_if_there(j, "test", value.test);
  read_if_there(j, "failback", value.failback);
}

void to_json(nlohmann::json& j, const PlanStep& value) {
  j = {{"name", value.name},
       {"machines", value.machines},
       {"delay_seconds", value.delay_seconds},
       {"approval", value.approval},
       {"script", value.script},
       {"script_on", value.script_on},
       {"script_seconds", value.script_seconds},
       {"on_failure", value.on_failure}};
}

void from_json(const nlohmann::json& j, PlanStep& value) {
  value = {};
  j.at("name").get_to(value.name);
  read_if_there(j, "machines", value.machines);
  read_if_there(j, "delay_seconds", value.delay_seconds);
  read_if_there(j, "approval", value.approval);
  read_if_there(j, "script", value.script);
  read_if_there(j, "script_on", value.script_on);
  read_if_there(j, "script_seconds", value.script_seconds);
  read_word(j, "on_failure", value.on_failure);
}

void to_json(nlohmann::json& j, const DrPlan& value) {
  j = {{"name", value.name},
       {"account", value.account},
       {"replicate", value.replicate},
       {"workflow", value.workflow},
       {"convert", value.convert},
       {"write", value.write},
       {"verify_all", value.verify_all},
       {"keep_copies", value.keep_copies},
       {"encrypt_copies", value.encrypt_copies},
       {"copies_kms_key", value.copies_kms_key},
       {"health_check_seconds", value.health_check_seconds},
       {"production", value.production},
       {"test", value.test},
       {"failback", value.failback},
       {"keep_days", value.keep_days},
       {"test_expires_after", test_expiry_text(value.test_expires_after)},
       {"machines", value.machines},
       {"steps", value.steps}};
}

void from_json(const nlohmann::json& j, DrPlan& value) {
  value = {};
  j.at("name").get_to(value.name);
  read_if_there(j, "account", value.account);
  if (const int minutes = j.value("replicate_every_minutes", 0); minutes > 0) {  // of earlier versions
    value.replicate.kind = ScheduleKind::every;
    value.replicate.period = std::chrono::minutes(minutes);
  }
  read_if_there(j, "replicate", value.replicate);
  read_word(j, "workflow", value.workflow);
  read_word(j, "convert", value.convert);
  read_word(j, "write", value.write);
  read_if_there(j, "verify_all", value.verify_all);
  read_if_there(j, "keep_copies", value.keep_copies);
  read_if_there(j, "encrypt_copies", value.encrypt_copies);
  read_if_there(j, "copies_kms_key", value.copies_kms_key);
  read_if_there(j, "health_check_seconds", value.health_check_seconds);
  read_if_there(j, "production", value.production);
  read_if_there(j, "test", value.test);
  read_if_there(j, "failback", value.failback);
  read_if_there(j, "keep_days", value.keep_days);
  if (j.contains("test_expires_after")) value.test_expires_after = expiry_of(j.at("test_expires_after"));
  read_if_there(j, "machines", value.machines);
  read_if_there(j, "steps", value.steps);
}

void to_json(nlohmann::json& j, const DrCopy& value) {
  j = {{"id", value.id},
       {"job_id", value.job_id},
       {"plan", value.plan},
       {"machine", value.machine},
       {"account", value.account},
       {"recovery_point_id", value.recovery_point_id},
       {"recovery_point_time", value.recovery_point_time},
       {"firmware", value.firmware},
       {"vcpus", value.vcpus},
       {"memory_mib", value.memory_mib},
       {"state", value.state},
       {"disks", value.disks},
       {"overlay", value.overlay},
       {"converted", value.converted},
       {"conversion", value.conversion},
       {"template_id", value.template_id},
       {"encrypted", value.encrypted},
       {"kms_key", value.kms_key},
       {"damaged", value.damaged}};
  if (value.certificate) j["certificate"] = *value.certificate;
}

void from_json(const nlohmann::json& j, DrCopy& value) {
  value = {};
  read_if_there(j, "id", value.id);
  read_if_there(j, "job_id", value.job_id);
  read_if_there(j, "plan", value.plan);
  read_if_there(j, "machine", value.machine);
  read_if_there(j, "account", value.account);
  read_if_there(j, "recovery_point_id", value.recovery_point_id);
  read_if_there(j, "recovery_point_time", value.recovery_point_time);
  read_if_there(j, "firmware", value.firmware);
  read_if_there(j, "vcpus", value.vcpus);
  read_if_there(j, "memory_mib", value.memory_mib);
  read_if_there(j, "state", value.state);
  read_if_there(j, "disks", value.disks);
  read_if_there(j, "overlay", value.overlay);
  read_if_there(j, "converted", value.converted);
  if (j.contains("conversion")) value.conversion = j["conversion"];
  read_if_there(j, "template_id", value.template_id);
  read_if_there(j, "encrypted", value.encrypted);
  read_if_there(j, "kms_key", value.kms_key);
  read_if_there(j, "damaged", value.damaged);
  if (j.contains("certificate")) value.certificate = j["certificate"].get<BootCertificate>();
}

}  // namespace rekindle
