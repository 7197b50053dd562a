// What EC2 says about its things, as far as Rekindle asks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aws/query_answer.h"
#include "base/id.h"
#include "model/ids.h"

namespace rekindle {

using Ec2Tags = std::map<std::string, std::string>;

struct Ec2Snapshot {
  ImageId id;
  std::string state;  // pending, completed, error, recoverable, recovering
  std::string state_message;
  std::uint64_t size_gib = 0;
  bool encrypted = false;
  VolumeId volume;  // that it is of; of one begun by the EBS direct APIs AWS says vol-ffffffff
  Ec2Tags tags;
};

struct Ec2Image {
  TemplateId id;
  std::string name;
  std::string state;  // pending, available, invalid, deregistered, transient, failed, error
  std::string state_reason;
  std::vector<ImageId> snapshots;  // of its block devices, in AWS's order
  Ec2Tags tags;
};

struct Ec2Instance {
  InstanceId id;
  std::string state;  // pending, running, shutting-down, terminated, stopping, stopped
  std::string state_reason;
  std::string state_reason_code;  // "Server.InsufficientInstanceCapacity"
  std::string instance_type;
  std::string boot_mode;  // "uefi", "legacy-bios": as it runs now; empty: AWS does not say
  std::string availability_zone;
  std::string subnet_id;
  std::string private_ip;
  std::string public_ip;
  std::vector<VolumeId> volumes;  // the root's first, the others by their device names
  Ec2Tags tags;
};

struct Ec2Attachment {
  InstanceId instance;
  std::string device;
  std::string state;  // attaching, attached, detaching, detached, busy
};

struct Ec2Volume {
  VolumeId id;
  std::string state;  // creating, available, in-use, deleting, deleted, error
  std::uint64_t size_gib = 0;
  std::string availability_zone;
  bool encrypted = false;
  std::optional<ImageId> snapshot;
  std::vector<Ec2Attachment> attachments;
  Ec2Tags tags;
};

struct Ec2Subnet {
  std::string id;
  std::string vpc_id;
  std::string cidr;  // "10.0.1.0/24"
  std::string availability_zone;
  std::uint64_t free_addresses = 0;
  Ec2Tags tags;
};

struct Ec2SecurityGroup {
  std::string id;
  std::string name;
  std::string vpc_id;
};

struct Ec2InstanceType {
  std::string name;
  int vcpus = 0;
  std::uint64_t memory_mib = 0;
};

// Something that DescribeTags names.
struct Ec2Tagged {
  std::string resource_id;
  std::string resource_type;  // "instance", "image", "snapshot", "volume", ...
  std::string value;          // of the tag that was asked for
};

// Each reads one <item> of the set named; `internal` when AWS left out what it always says.
Result<Ec2Snapshot> read_snapshot(const QueryElement& item);  // snapshotSet
Result<Ec2Image> read_image(const QueryElement& item);        // imagesSet
Result<Ec2Instance> read_instance(const QueryElement& item);  // reservationSet/item/instancesSet
Result<Ec2Volume> read_volume(const QueryElement& item);      // volumeSet, and the answer of CreateVolume
Result<Ec2Subnet> read_subnet(const QueryElement& item);      // subnetSet
Result<Ec2SecurityGroup> read_security_group(const QueryElement& item);  // securityGroupInfo
Result<Ec2InstanceType> read_instance_type(const QueryElement& item);    // instanceTypeSet
Result<Ec2Tagged> read_tagged(const QueryElement& item);                 // tagSet of DescribeTags

}  // namespace rekindle
