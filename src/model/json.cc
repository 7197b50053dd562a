#include "model/json.h"

#include <stdexcept>
#include <type_traits>

namespace nlohmann {

void adl_serializer<rekindle::Time>::to_json(json& j, const rekindle::Time& time) {
  j = rekindle::to_iso8601(time);
}

void adl_serializer<rekindle::Time>::from_json(const json& j, rekindle::Time& time) {
  auto parsed = rekindle::from_iso8601(j.get<std::string>());
  if (!parsed.ok()) throw json::other_error::create(501, parsed.error().message(), &j);
  time = *parsed;
}

}  // namespace nlohmann

namespace rekindle {

// What NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT does, but not inline: declared in the header, defined
// here.
#define JSON_FIELDS(Type, ...)                                                              \
  void to_json(nlohmann::json& nlohmann_json_j, const Type& nlohmann_json_t) {              \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(NLOHMANN_JSON_TO, __VA_ARGS__))                \
  }                                                                                         \
  void from_json(const nlohmann::json& nlohmann_json_j, Type& nlohmann_json_t) {            \
    const Type nlohmann_json_default_obj{};                                                 \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(NLOHMANN_JSON_FROM_WITH_DEFAULT, __VA_ARGS__)) \
  }

JSON_FIELDS(DiskSpec, id, name, size_bytes, position, excluded_because, controller, bus, unit)
JSON_FIELDS(NicSpec, name, mac_address, network, model)
JSON_FIELDS(Machine, id, name, power, firmware, vcpus, memory_mib, guest_os, change_tracking, disks, nics,
            refused_because, hardware_version, bios_uuid, secure_boot, cores_per_socket)
JSON_FIELDS(RecoveryPointDisk, disk_id, size_bytes, change_id, undone_blocks)
JSON_FIELDS(RecoveryPoint, id, vault, datacenter, account, machine, time, disks, full, bytes_read,
            bytes_stored, bytes_changed, legal_hold)
JSON_FIELDS(Datacenter, name, url, user, sealed_password, thumbprint, disk_command)
JSON_FIELDS(Account, name, region, endpoint, credentials, access_key_id, sealed_secret_access_key, profile,
            role_arn, sealed_external_id, proxy_instance_id, proxy_device_path, image_puts_per_second)
JSON_FIELDS(VaultSettings, name, directory, s3, region, endpoint, account, access_key_id,
            sealed_secret_access_key, lock_days, lock_mode, limit_upload, limit_download, sealed_passphrase)
JSON_FIELDS(RetentionRules, last, hourly, daily, weekly, monthly, yearly)
JSON_FIELDS(BackupPolicy, name, datacenter, vault, machines, schedule, retention)
JSON_FIELDS(ProtectedMachine, name, id, datacenter, vault, runs_at)
JSON_FIELDS(DrCopyDisk, disk_id, image_id, size_bytes)
JSON_FIELDS(ConvertedBlock, index, sha256)
JSON_FIELDS(CopyDamage, disk_id, block, blocks, found)
JSON_FIELDS(CertificateCheck, name, passed, detail)
JSON_FIELDS(BootCertificate, would_boot, reason, checks, warnings, recovery_point_id, content_ids, signature)
JSON_FIELDS(Approval, id, time)
JSON_FIELDS(Failover, id, job_id, plan, machine, account, kind, state, instance_id, private_ip, public_ip,
            recovery_point_id, recovery_point_time, started, finished, keep_until, expires, disks, overlay,
            born_there, returned_point, volume_ids)
JSON_FIELDS(StepTiming, step, started, milliseconds)
JSON_FIELDS(LedgerEntry, token, kind, site, container, object_id, state, job_id, in_use_by, updated)
#undef JSON_FIELDS

namespace {

ErrorCode error_code_of(std::string_view text) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    if (to_string(static_cast<ErrorCode>(code)) == text) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::internal;
}

}  // namespace

void to_json(nlohmann::json& j, const Job& value) {
  j = {{"id", value.id},
       {"kind", value.kind},
       {"subject", value.subject},
       {"state", value.state},
       {"step", value.step},
       {"parameters", value.parameters},
       {"data", value.data},
       {"timings", value.timings},
       {"error", value.error},
       {"error_code", std::string(to_string(value.error_code))},
       {"cancel_requested", value.cancel_requested},
       {"bytes_done", value.bytes_done},
       {"bytes_total", value.bytes_total},
       {"created", value.created},
       {"updated", value.updated},
       {"owner", value.owner},
       {"fencing", value.fencing}};
}

void from_json(const nlohmann::json& j, Job& value) {
  j.at("id").get_to(value.id);
  j.at("kind").get_to(value.kind);
  j.at("subject").get_to(value.subject);
  j.at("state").get_to(value.state);
  j.at("step").get_to(value.step);
  value.parameters = j.at("parameters");
  value.data = j.at("data");
  j.at("timings").get_to(value.timings);
  j.at("error").get_to(value.error);
  value.error_code = error_code_of(j.at("error_code").get<std::string>());
  j.at("cancel_requested").get_to(value.cancel_requested);
  j.at("bytes_done").get_to(value.bytes_done);
  j.at("bytes_total").get_to(value.bytes_total);
  j.at("created").get_to(value.created);
  j.at("updated").get_to(value.updated);
  j.at("owner").get_to(value.owner);
  j.at("fencing").get_to(value.fencing);
}

Result<nlohmann::json> parse_json_text(std::string_view text) {
  nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return error(ErrorCode::corrupt, "the record is not readable as JSON");
  return parsed;
}

}  // namespace rekindle
