// Which calls our role may make, tried by DryRun on what there is of ours
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters-actions.html).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "aws/ec2_client.h"
#include "site/recovery_target.h"

namespace rekindle {

struct TrialPlace {
  Ec2Client& ec2;
  std::string installation;  // whose things are ours; empty: none are known to be
  InstanceId proxy;          // that volumes are attached to; empty: none
};

// Tries one call after the other and keeps what AWS says. The policy asks for our tags, so that nothing can
// be tried on what is not ours: where it does not, and AWS would allow a call on what stands in for ours, it
// is allowed; a refusal of that says nothing. For one use.
class CallTrial {
 public:
  explicit CallTrial(TrialPlace place) : place_(std::move(place)) {}

  // Errors: that of a call that could not be tried; `not_found`: the copy's first image is not there.
  Result<TriedCalls> run(const DrCopy& copy, const PlannedCalls& planned);

 private:
  // Whether what the call is tried on is there: AWS refuses what is gone as what is not ours.
  using IsThere = std::function<Result<bool>()>;
  // What the call is tried on is not ours: a refusal says nothing.
  enum class On { ours, stand_in };

  void skip_all(const PlannedCalls& planned);
  Result<> prove_harmless(const ImageId& image);
  Result<> on_copy(const DrCopy& copy);
  Result<> on_tags(const ImageId& image);
  Result<> on_instance(const PlannedCalls& planned);
  Result<> on_address(const PlannedCalls& planned, const std::optional<InstanceId>& ours);
  Result<> on_volumes(const ImageId& image);
  Result<> on_volume(const VolumeId& volume, const InstanceId& instance);
  Result<> attempt(const QueryForm& form, const IsThere& look, On on = On::ours);
  void skip(const std::string& action) { tried_.untried.push_back("ec2:" + action); }
  Result<std::optional<InstanceId>> live_instance();
  Result<std::optional<VolumeId>> volume_of_ours();
  Ec2Tags marks() const;

  const TrialPlace place_;
  TriedCalls tried_;
};

}  // namespace rekindle
