// What exists in the region, as plain structs. Every kind names its id prefix and the code AWS refuses an
// unknown id with. Times are milliseconds since 1970; sizes of volumes and snapshots GiB, as in AWS.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rekindle::sandbox {

using Tags = std::map<std::string, std::string>;

// A resource in `state` becomes `next_state` at `due_ms`, if that is not empty.
struct Resource {
  std::string id;
  Tags tags;
  std::int64_t created_ms = 0;
  std::string state;
  std::string next_state;
  std::int64_t due_ms = 0;
};
#define REGION_RESOURCE_FIELDS id, tags, created_ms, state, next_state, due_ms

struct Vpc : Resource {
  static constexpr const char* kind = "vpc";
  static constexpr const char* type_name = "vpc";
  static constexpr const char* not_found = "InvalidVpcID.NotFound";
  std::string cidr;
  bool dns_support = true, dns_hostnames = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Vpc, REGION_RESOURCE_FIELDS, cidr, dns_support, dns_hostnames)

struct Subnet : Resource {
  static constexpr const char* kind = "subnet";
  static constexpr const char* type_name = "subnet";
  static constexpr const char* not_found = "InvalidSubnetID.NotFound";
  std::string vpc_id, cidr, zone;
  bool map_public_ip = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Subnet, REGION_RESOURCE_FIELDS, vpc_id, cidr, zone,
                                                map_public_ip)

// One source or destination; AWS shows those of the same protocol and ports as one permission.
struct GroupRule {
  bool egress = false;
  std::string protocol;  // "tcp", "udp", "icmp", ..., "-1" for all
  std::int64_t from_port = -1, to_port = -1;
  std::string kind;  // "cidr", "cidr6", "group", "prefix"
  std::string peer;  // the range, the group's id, the prefix list's id
  std::string description;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GroupRule, egress, protocol, from_port, to_port, kind, peer,
                                                description)

struct SecurityGroup : Resource {
  static constexpr const char* kind = "sg";
  static constexpr const char* type_name = "security-group";
  static constexpr const char* not_found = "InvalidGroup.NotFound";
  std::string vpc_id, name, description;
  std::vector<GroupRule> rules;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SecurityGroup, REGION_RESOURCE_FIELDS, vpc_id, name,
                                                description, rules)

struct Attachment {
  std::string instance_id, device, state;  // attaching, attached, detaching
  std::int64_t attached_ms = 0;
  bool delete_on_termination = false;
  unsigned slot = 0;  // PCI slot of the NVMe controller
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Attachment, instance_id, device, state, attached_ms,
                                                delete_on_termination, slot)

struct Volume : Resource {
  static constexpr const char* kind = "vol";
  static constexpr const char* type_name = "volume";
  static constexpr const char* not_found = "InvalidVolume.NotFound";
  std::int64_t size_gib = 0;
  std::string zone, snapshot_id, volume_type, kms_key_id;
  std::int64_t iops = 0, throughput = 0;
  bool encrypted = false;
  std::string layer_id;
  // Written before the holder is told to switch to a new top layer; see Volumes::freeze.
  std::string next_layer_id;
  // While its blocks come out of its snapshot at a rate: the snapshot's layer.
  std::string slow_layer_id;
  std::int64_t initialization_rate = 0;  // as asked for, MiB/s
  std::int64_t slow_bytes_per_second = 0, initialized_ms = 0;
  Attachment attachment;  // instance_id empty: none
  bool attached() const { return !attachment.instance_id.empty(); }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Volume, REGION_RESOURCE_FIELDS, size_gib, zone, snapshot_id,
                                                volume_type, kms_key_id, iops, throughput, encrypted,
                                                layer_id, next_layer_id, slow_layer_id, initialization_rate,
                                                slow_bytes_per_second, initialized_ms, attachment)

struct Snapshot : Resource {
  static constexpr const char* kind = "snap";
  static constexpr const char* type_name = "snapshot";
  static constexpr const char* not_found = "InvalidSnapshot.NotFound";
  std::string volume_id, parent_snapshot_id, description, kms_key_id, state_message;
  std::int64_t size_gib = 0;
  bool encrypted = false;
  std::string layer_id;
  // Written through the EBS direct APIs: open for blocks until it is completed, or idle for
  // `timeout_minutes`.
  bool direct = false, sealed = false;
  std::int64_t timeout_minutes = 60, last_put_ms = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Snapshot, REGION_RESOURCE_FIELDS, volume_id,
                                                parent_snapshot_id, description, kms_key_id, state_message,
                                                size_gib, encrypted, layer_id, direct, sealed,
                                                timeout_minutes, last_put_ms)

struct DeviceMapping {
  std::string device, snapshot_id, volume_type, kms_key_id;
  std::int64_t size_gib = 0, iops = 0, throughput = 0, initialization_rate = 0;
  bool encrypted = false, delete_on_termination = true, no_device = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DeviceMapping, device, snapshot_id, volume_type, kms_key_id,
                                                size_gib, iops, throughput, initialization_rate, encrypted,
                                                delete_on_termination, no_device)

struct Image : Resource {
  static constexpr const char* kind = "ami";
  static constexpr const char* type_name = "image";
  static constexpr const char* not_found = "InvalidAMIID.NotFound";
  std::string name, description, architecture, boot_mode, root_device, virtualization_type, tpm_support,
      imds_support, sriov_net_support;
  bool ena_support = false;
  std::vector<DeviceMapping> devices;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Image, REGION_RESOURCE_FIELDS, name, description,
                                                architecture, boot_mode, root_device, virtualization_type,
                                                tpm_support, imds_support, sriov_net_support, ena_support,
                                                devices)

struct MetadataOptions {  // the hop limit and the tags are told, not heeded
  std::string tokens = "optional", endpoint = "enabled", tags = "disabled";
  std::int64_t hop_limit = 1;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MetadataOptions, tokens, endpoint, tags, hop_limit)

struct Instance : Resource {
  static constexpr const char* kind = "i";
  static constexpr const char* type_name = "instance";
  static constexpr const char* not_found = "InvalidInstanceID.NotFound";
  std::string image_id, instance_type, subnet_id, vpc_id, zone, private_ip, mac, network_interface_id;
  std::vector<std::string> group_ids;
  std::string key_name, iam_profile, client_token, reservation_id, architecture, boot_mode, root_device;
  std::int64_t launched_ms = 0, launch_index = 0;
  std::int64_t running_since_ms = 0;
  std::string public_ip;                    // a loopback address whose port 80 is the guest's
  std::string reason_code, reason_message;  // StateReason
  std::string dies_of;                      // fault: goes from pending to terminated with this StateReason
  bool ever_ran = false;
  bool proxy = false;  // no QEMU: its volumes are files (see region.h)
  bool source_dest_check = true;
  std::string user_data;  // base64, as given
  bool termination_disabled = false, stop_disabled = false, ebs_optimized = false, monitored = false;
  std::string shutdown_behavior =
      "stop";               // what it becomes when the guest switches itself off; or "terminate"
  std::string cpu_credits;  // of a burstable type: standard, unlimited
  MetadataOptions metadata_options;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(
    Instance, REGION_RESOURCE_FIELDS, image_id, instance_type, subnet_id, vpc_id, zone, private_ip, mac,
    network_interface_id, group_ids, key_name, iam_profile, client_token, reservation_id, architecture,
    boot_mode, root_device, launched_ms, launch_index, public_ip, reason_code, reason_message, dies_of,
    ever_ran, proxy, source_dest_check, user_data, running_since_ms, termination_disabled, stop_disabled,
    ebs_optimized, monitored, shutdown_behavior, cpu_credits, metadata_options)

struct ElasticAddress : Resource {
  static constexpr const char* kind = "eipalloc";
  static constexpr const char* type_name = "elastic-ip";
  static constexpr const char* not_found = "InvalidAllocationID.NotFound";
  std::string public_ip;  // of this computer, as the public addresses of instances
  std::string instance_id, association_id;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ElasticAddress, REGION_RESOURCE_FIELDS, public_ip,
                                                instance_id, association_id)

// A call with a client token, so that its repetition gives the same answer. id = "Action:token".
struct Replay : Resource {
  static constexpr const char* kind = "replay";
  std::string fingerprint;
  std::vector<std::string> result_ids;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Replay, REGION_RESOURCE_FIELDS, fingerprint, result_ids)

// A command of Run Command: what is to be run, on which instances. id = its UUID.
struct Command : Resource {
  static constexpr const char* kind = "command";
  static constexpr const char* type_name = "command";
  static constexpr const char* not_found = "InvalidCommandId";
  std::int64_t number = 0;  // later ones have higher numbers
  std::string document, comment;
  std::vector<std::string> instance_ids;
  std::map<std::string, std::vector<std::string>> parameters;
  std::int64_t timeout_seconds = 0, execution_seconds = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Command, REGION_RESOURCE_FIELDS, number, document, comment,
                                                instance_ids, parameters, timeout_seconds, execution_seconds)

// A command on one of its instances. id = "COMMAND:INSTANCE"; `state` is AWS's Status; what has not ended at
// `due_ms` has timed out.
struct Invocation : Resource {
  static constexpr const char* kind = "invocation";
  static constexpr const char* type_name = "invocation";
  static constexpr const char* not_found = "InvocationDoesNotExist";
  std::string command_id, instance_id;
  std::int64_t number = 0;  // of the command
  std::string detail;       // StatusDetails
  std::string agent;        // which began it: one life of the agent
  std::int64_t response_code = -1;
  std::string output, errors;
  std::int64_t started_ms = 0, ended_ms = 0;  // on the instance; 0: not yet
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Invocation, REGION_RESOURCE_FIELDS, command_id, instance_id,
                                                number, detail, agent, response_code, output, errors,
                                                started_ms, ended_ms)

// An instance whose agent has registered. id = that of the instance.
struct ManagedNode : Resource {
  static constexpr const char* kind = "node";
  static constexpr const char* type_name = "managed node";
  static constexpr const char* not_found = "InvalidInstanceId";
  std::string agent_version, platform_name, platform_version, computer_name;
  std::int64_t last_ping_ms = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ManagedNode, REGION_RESOURCE_FIELDS, agent_version,
                                                platform_name, platform_version, computer_name, last_ping_ms)

#undef REGION_RESOURCE_FIELDS

}  // namespace rekindle::sandbox
