// EC2, in typed calls: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ (version 2016-11-15).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aws/ec2_types.h"
#include "aws/query_client.h"
#include "model/dr_plan.h"

namespace rekindle {

struct RegisterImageRequest {
  std::string name;  // 3-128 characters; unique in account and region
  std::string description;
  bool uefi = false;
  struct Device {
    std::string name;  // "/dev/sda1"
    ImageId snapshot;
  };
  std::vector<Device> devices;  // the first is the root
  Ec2Tags tags;
};

struct RunInstancesRequest {
  TemplateId image;
  std::string instance_type;
  std::string subnet_id;
  std::vector<std::string> security_group_ids;
  std::string private_ip;              // empty: any
  std::optional<bool> public_address;  // absent: as the subnet does it
  std::string instance_profile;        // name or ARN
  std::string user_data;               // as text
  struct Device {
    std::string name;  // "/dev/sda1"
    VolumeSettings volume;
  };
  std::vector<Device> devices;  // what differs from the image; none: nothing
  std::string client_token;     // at most 64 characters
  Ec2Tags tags;                 // of the instance, its volumes and its network interface
};

struct CreateVolumeRequest {
  std::string availability_zone;
  std::uint64_t size_gib = 0;       // 0: that of the snapshot
  std::optional<ImageId> snapshot;  // none: empty
  std::string volume_type = "gp3";
  std::string client_token;
  Ec2Tags tags;
  bool encrypted = false;  // of an empty one; else as the snapshot is
  std::string kms_key{};   // id, alias or ARN; empty: the account's own
};

// Which things a describe asks for: by ids (`not_found` when one is absent), or by tags, all of which match.
// Never both, never neither: an unfiltered describe has a quota of its own that others need.
template <typename IdType>
struct Ec2Selection {
  std::vector<IdType> ids;
  Ec2Tags tags;
};

// Any number of threads. Errors: `unavailable` (already retried), `unauthenticated`, `permission_denied`
// (names the action), `exhausted`, `not_found`, `invalid_argument`. `settle_for`: how long "not found" is not
// believed yet. What makes something answers no refusal (site/refusal.h) after an attempt that was not
// answered.
class Ec2Client {
 public:
  explicit Ec2Client(std::unique_ptr<QueryClient> query) : query_(std::move(query)) {}

  Result<std::vector<Ec2Snapshot>> snapshots(
      const Ec2Selection<ImageId>& which,
      std::chrono::milliseconds settle_for = {});  // by tags: only our own
  // Not repeatable without care: has no client token. Find by tag before.
  Result<Ec2Snapshot> create_snapshot(const VolumeId& volume, const std::string& description,
                                      const Ec2Tags& tags);
  // Of all volumes of the instance at one instant. Not repeatable either.
  Result<std::vector<Ec2Snapshot>> create_snapshots(const InstanceId& instance,
                                                    const std::string& description, const Ec2Tags& tags);
  Result<> delete_snapshot(
      const ImageId& id,
      std::chrono::milliseconds settle_for = {});  // `not_found`; `failed_precondition` when an AMI uses it

  Result<std::vector<Ec2Image>> images(const Ec2Selection<TemplateId>& which,
                                       std::chrono::milliseconds settle_for = {});  // by tags: only our own
  Result<std::vector<Ec2Image>> images_named(const std::string& name);
  // Of AWS itself, for x86_64, that can be launched now; `name_pattern`: "al2023-ami-2023*-x86_64".
  Result<std::vector<Ec2Image>> public_images(const std::string& name_pattern);
  // `already_exists`: the name is taken. dry_run: only whether it would be accepted; the id is empty then.
  Result<TemplateId> register_image(const RegisterImageRequest& request, bool dry_run = false);
  Result<> deregister_image(const TemplateId& id, std::chrono::milliseconds settle_for = {});

  // Leaves faults to the caller, who knows what was asked for. dry_run: only whether it would be accepted;
  // the instance returned is empty then.
  Result<std::variant<Ec2Instance, AwsFault>> run_instance(const RunInstancesRequest& request,
                                                           bool dry_run = false);
  Result<std::vector<Ec2Instance>> instances(
      const Ec2Selection<InstanceId>& which,
      std::chrono::milliseconds settle_for = {});  // by tags: not the terminated
  Result<> terminate_instance(const InstanceId& id, std::chrono::milliseconds settle_for = {});
  Result<> stop_instance(const InstanceId& id);
  Result<> start_instance(const InstanceId& id);
  // Both status checks are "ok"; of an instance that does not run, none is.
  Result<bool> passes_status_checks(const InstanceId& id);
  Result<std::string> console_output(const InstanceId& id);
  Result<> set_source_dest_check(const InstanceId& id, bool check);
  Result<bool> has_address(const std::string& allocation_id);  // whether it is the account's
  // Takes it from whoever has it; the same instance again is fine.
  Result<> associate_address(const std::string& allocation_id, const InstanceId& id);

  Result<Ec2Volume> create_volume(const CreateVolumeRequest& request);
  Result<std::vector<Ec2Volume>> volumes(const Ec2Selection<VolumeId>& which,
                                         std::chrono::milliseconds settle_for = {});
  // `failed_precondition` when it is attached already (also by an earlier, repeated call: describe it then).
  Result<> attach_volume(const VolumeId& volume, const InstanceId& instance, const std::string& device);
  Result<> detach_volume(const VolumeId& volume, const InstanceId& instance);
  Result<> delete_volume(const VolumeId& volume, std::chrono::milliseconds settle_for = {});

  Result<> create_tags(const std::vector<std::string>& resource_ids, const Ec2Tags& tags);
  Result<std::vector<Ec2Subnet>> subnets(const std::vector<std::string>& ids);
  Result<std::vector<Ec2SecurityGroup>> security_groups(const std::vector<std::string>& ids);
  // The zones of the region where the type can be launched; none when it does not exist.
  Result<std::vector<std::string>> zones_offering(const std::string& instance_type);
  // Those of the patterns ("t3.*") that current instances of x86_64 can have.
  Result<std::vector<Ec2InstanceType>> instance_types(const std::vector<std::string>& patterns);
  // How many instances of each type count now to the quota of running on-demand instances: spot instances and
  // those on dedicated hosts have others.
  Result<std::map<std::string, int>> running_on_demand();
  // Of these types, by name; those that do not exist are left out.
  // Of any generation; at most 100. One that does not exist is left out.
  Result<std::vector<Ec2InstanceType>> types_named(const std::vector<std::string>& names);
  Result<std::map<std::string, int>> vcpus_of(const std::vector<std::string>& types);
  // Everything of ours that carries this tag, whatever its value, by kind: instances, images, snapshots,
  // volumes.
  Result<std::vector<Ec2Tagged>> tagged(const std::string& tag_key);
  // Who holds the address in the subnet: the id of the network interface, "" when it is free.
  Result<std::string> holder_of_address(const std::string& subnet_id, const std::string& private_ip);

  // The GiB of the account's volumes of a type, whatever their state; how many snapshots it has, counted to
  // `most`, which takes a call a thousand; how many are pending.
  Result<std::uint64_t> volume_gib_of_type(const std::string& volume_type);
  Result<std::size_t> count_snapshots(std::size_t most);
  Result<std::size_t> count_pending_snapshots();
  // Whether the account encrypts what does not ask for it, in this region.
  Result<bool> encrypts_by_default();

  // Whether we may make this call, which is not made (DryRun). absent: what it names is not there, or not in
  // a state for it. `internal`: the endpoint ignores DryRun and made it.
  Result<std::optional<bool>> may_call(QueryForm form);

  const ServiceClient& service() const { return query_->service(); }

 private:
  const std::unique_ptr<QueryClient> query_;
};

}  // namespace rekindle
