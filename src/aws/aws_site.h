// AWS as the place where machines live again: DR copies are EBS snapshots, templates are AMIs, instances are
// EC2's.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aws/aws_instances.h"
#include "aws/credentials.h"
#include "aws/ebs_client.h"
#include "aws/ec2_client.h"
#include "aws/guest_scripts.h"
#include "aws/json_client.h"
#include "aws/recently_made.h"
#include "site/recovery_target.h"

namespace rekindle {

struct AwsSiteOptions {
  std::string region;  // "eu-central-1"
  std::string
      endpoint;  // of all services, "http://127.0.0.1:5555"; empty: each service's real one in the region
  Credentials credentials;
  // Marks what this installation of Rekindle makes, so that an audit does not take what another one made in
  // the same account for an orphan. Empty: nothing is marked, and nothing is ever found to be ours.
  std::string installation;
  EbsQuotas ebs_quotas;
  // The EC2 instance that this runs on, for what is written through volumes; none: there are no volumes.
  struct Proxy {
    std::string instance_id;
    // Where an attached volume appears: {volume} is its id without the dash, {device} "sdf".
    std::string device_path = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume}";
  };
  Proxy proxy;
  RetryPolicy retries{8, std::chrono::milliseconds(200), std::chrono::milliseconds(20000)};
  // For how long AWS may deny what it has just made. The EBS team names two minutes for PutSnapshotBlock.
  std::chrono::milliseconds settling_time{120000};
  // How long completing a snapshot and registering an AMI may take.
  std::chrono::milliseconds completion_time{1800000};
};

// Beside the contract of RecoveryTarget: sizes are whole GiB. DescribeSnapshots does not tell the parent of a
// snapshot, so start_image writes it into the tag "rekindle:parent-image", which Image::tags does not show.
inline constexpr const char* installation_tag = "rekindle:installation";
inline constexpr const char* parent_tag = "rekindle:parent-image";

class AwsSite final : public RecoveryTarget {
 public:
  // Calls nobody yet. The references outlive the site; `random` allows any thread. `invalid_argument`: no
  // region, no access key, endpoint is no URL.
  static Result<std::unique_ptr<AwsSite>> make(const AwsSiteOptions& options, HttpTransport& transport,
                                               Clock& clock, Random& random);

  Result<std::string> identity() override;

  Result<ImageId> start_image(const ImageSpec& spec) override;
  Result<std::unique_ptr<ImageWriter>> open_writer(const ImageId& image) override;
  Result<Image> image(const ImageId& id) override;
  Result<std::unique_ptr<BlockSource>> open_image(const ImageId& id) override;
  Result<> remove_image(const ImageId& id) override;
  Result<std::vector<Image>> find_images(const Tags& tags) override;

  Result<VolumeId> create_volume(const VolumeSpec& spec) override;
  Result<bool> zeros_must_be_put(const VolumeId& id) override;
  Result<std::unique_ptr<ImageWriter>> open_volume_writer(const VolumeId& id) override;
  Result<ImageId> freeze_volume(const VolumeId& id, const ImageSpec& spec) override;

  Result<TemplateId> register_template(const TemplateSpec& spec) override;
  Result<> remove_template(const TemplateId& id) override;
  Result<std::vector<TemplateId>> find_templates(const Tags& tags) override;

  Result<InstanceId> launch(const LaunchSpec& spec) override;
  Result<> adjust(const InstanceId& id, const LaunchSpec& spec) override;
  Result<> stop(const InstanceId& id) override;
  Result<> start(const InstanceId& id) override;
  Result<Instance> instance(const InstanceId& id) override;
  Result<> terminate(const InstanceId& id) override;
  Result<std::vector<Instance>> find_instances(const Tags& tags) override;
  Result<std::string> console_output(const InstanceId& id) override;
  Result<bool> passes_site_checks(const InstanceId& id) override;
  Result<Unproven> check_launch(const LaunchSpec& spec) override;
  Result<> check_template(const TemplateSpec& spec) override;
  Result<Unproven> check_quotas(const std::vector<LaunchSpec>& specs) override;
  Result<TriedCalls> try_calls(const DrCopy& copy, const PlannedCalls& planned) override;
  Result<Unproven> check_key(const std::string& kms_key) override;
  Result<bool> encrypts_by_default() override;
  Result<std::string> propose_instance_type(int vcpus, std::uint64_t memory_mib,
                                            const std::string& subnet_id) override;
  Result<InstanceSize> size_of_type(const std::string& instance_type) override;
  Result<Subnet> subnet(const std::string& subnet_id) override;
  Result<std::vector<OwnedObject>> owned_objects() override;
  Result<> remove_object(const OwnedObject& object) override;

  // Its instances, as machines that can be frozen and read.
  AwsInstances& instances() { return *instances_; }
  // What runs scripts inside them.
  AwsGuestScripts& guest_scripts() { return *guest_scripts_; }

  // For what only AWS has: volumes, changed blocks.
  Ec2Client& ec2() { return *ec2_; }
  EbsClient& ebs() { return *ebs_; }

 private:
  friend class AwsInstances;
  AwsSite(const AwsSiteOptions& options, Clock& clock);
  // The describes are `not_found` of what is gone, which is believed after `settle_for`; without it, after
  // the grace of what was made a moment ago.
  Result<Ec2Snapshot> describe_image(const ImageId& id);
  Result<Ec2Snapshot> describe_image(const ImageId& id, std::chrono::milliseconds settle_for);
  Result<> describe_template(const TemplateId& id, std::chrono::milliseconds settle_for);
  Result<Instance> describe_instance(const InstanceId& id, std::chrono::milliseconds settle_for);
  // One that is terminated, or about to be, is gone, too.
  Result<> describe_live_instance(const InstanceId& id, std::chrono::milliseconds settle_for);
  RegisterImageRequest to_request(const TemplateSpec& spec) const;
  Result<TemplateId> find_registered(const TemplateSpec& spec);
  Result<> wait_until_available(const TemplateId& id);
  Tags marked(Tags tags) const;  // as ours
  Result<InstanceId> proxy();
  Result<Ec2Volume> describe_volume(const VolumeId& id);
  Result<Ec2Volume> describe_volume(const VolumeId& id, std::chrono::milliseconds settle_for);
  Result<std::string> attach(const VolumeId& id);
  Result<> remove_volume(const VolumeId& id);
  Result<Ec2Subnet> describe_subnet(const std::string& subnet_id);
  Result<TemplateId> stand_in_image();
  Error explain_launch(const AwsFault& fault, const LaunchSpec& spec);

  const AwsSiteOptions options_;
  Clock& clock_;
  RecentlyMade recent_;
  std::mutex stand_in_mutex_;
  TemplateId public_image_;  // as far as looked for
  std::unique_ptr<QueryClient> sts_;
  std::unique_ptr<QueryClient> iam_;
  std::unique_ptr<JsonClient> kms_;
  std::unique_ptr<JsonClient> quotas_;
  std::unique_ptr<Ec2Client> ec2_;
  std::unique_ptr<EbsClient> ebs_;
  std::unique_ptr<AwsInstances> instances_;
  std::unique_ptr<AwsGuestScripts> guest_scripts_;
};

}  // namespace rekindle
