#include "aws/call_trial.h"

#include "aws/aws_site.h"

namespace rekindle {

namespace {

constexpr const char* on_copies[] = {"DeleteSnapshot", "DeregisterImage", "CreateTags"};
constexpr const char* on_instances[] = {"TerminateInstances", "StopInstances", "StartInstances",
                                        "CreateSnapshots"};
constexpr const char* of_source_check = "ModifyInstanceAttribute";
constexpr const char* of_address = "AssociateAddress";
// Made, from the first to the last, to write a copy through a volume.
constexpr const char* to_volumes[] = {"CreateVolume", "CreateSnapshot"};
constexpr const char* on_a_volume[] = {"AttachVolume", "DetachVolume", "DeleteVolume"};

QueryForm form_of(const std::string& action, const InstanceId& id, const Ec2Tags& tags) {
  QueryForm form(action);
  if (action == "CreateSnapshots") {
    form.set("InstanceSpecification.InstanceId", id.str()).tags_of("snapshot", tags);
  } else if (action == of_source_check) {
    form.set("InstanceId", id.str()).flag("SourceDestCheck.Value", true);
  } else {
    form.list("InstanceId", {id.str()});
  }
  return form;
}

template <typename T>
Result<bool> some_there(const Result<std::vector<T>>& found) {
  if (found.ok()) return !found->empty();
  if (found.error().code() == ErrorCode::not_found) return false;
  return found.error();
}

Result<bool> is_there(Ec2Client& ec2, const ImageId& id) {
  return some_there(ec2.snapshots({.ids = {id}, .tags = {}}));
}

// A deregistered AMI stays known for a while.
Result<bool> is_there(Ec2Client& ec2, const TemplateId& id) {
  const auto found = ec2.images({.ids = {id}, .tags = {}});
  if (!found.ok() && found.error().message().find("InvalidAMIID.Unavailable") != std::string::npos)
    return false;
  return found.ok() && !found->empty() ? Result<bool>(found->front().state != "deregistered")
                                       : some_there(found);
}

// One that is terminated, or about to be, is gone.
Result<bool> is_there(Ec2Client& ec2, const InstanceId& id) {
  const auto found = ec2.instances({.ids = {id}, .tags = {}});
  if (!found.ok() || found->empty()) return some_there(found);
  return found->front().state != "shutting-down" && found->front().state != "terminated";
}

Result<bool> is_there(Ec2Client& ec2, const VolumeId& id) {
  return some_there(ec2.volumes({.ids = {id}, .tags = {}}));
}

}  // namespace

// An endpoint that ignores DryRun would do the others: one that only looks is tried before them.
Result<> CallTrial::prove_harmless(const ImageId& image) {
  QueryForm form("DescribeSnapshots");
  form.list("SnapshotId", {image.str()});
  const auto allowed = TRY(place_.ec2.may_call(form), "trying whether DryRun is heeded");
  if (!allowed) return error(ErrorCode::not_found, "there is nothing to try them on: {} is not there", image);
  if (!*allowed) return error(ErrorCode::permission_denied, "ec2:DescribeSnapshots may not be called");
  return {};
}

// "Not found" and "in use" say nothing of the permission: AWS does not promise in which order it looks.
Result<> CallTrial::attempt(const QueryForm& form, const IsThere& look, On on) {
  auto allowed = TRY(place_.ec2.may_call(form), "trying {}", form.action());
  if (allowed == false) {
    const bool says_nothing = on == On::stand_in;
    const auto there = says_nothing ? Result<bool>(false) : look();
    if (there.ok() && !*there) allowed.reset();
  }
  auto& list = !allowed ? tried_.untried : *allowed ? tried_.allowed : tried_.refused;
  list.push_back("ec2:" + form.action());
  return {};
}

Ec2Tags CallTrial::marks() const {
  Ec2Tags tags = {{token_tag, "rekindle-check"}};
  if (!place_.installation.empty()) tags[installation_tag] = place_.installation;
  return tags;
}

void CallTrial::skip_all(const PlannedCalls& planned) {
  for (const char* action : on_copies) skip(action);
  for (const char* action : on_instances) skip(action);
  if (planned.without_source_check) skip(of_source_check);
  if (!planned.elastic_ip.empty()) skip(of_address);
  if (!planned.through_volumes) return;
  for (const char* action : to_volumes) skip(action);
  for (const char* action : on_a_volume) skip(action);
}

Result<> CallTrial::on_copy(const DrCopy& copy) {
  const ImageId& image = copy.disks.front().image_id;
  QueryForm removal("DeleteSnapshot");
  removal.set("SnapshotId", image.str());
  TRY(attempt(removal, [&] { return is_there(place_.ec2, image); }));
  if (copy.template_id.empty()) {
    skip("DeregisterImage");
  } else {
    QueryForm form("DeregisterImage");
    form.set("ImageId", copy.template_id.str());
    TRY(attempt(form, [&] { return is_there(place_.ec2, copy.template_id); }));
  }
  return on_tags(image);
}

// StartSnapshot, which has no DryRun, asks for ec2:CreateTags on the snapshot. Tried is the tag that it has:
// nothing would be lost if it were given.
Result<> CallTrial::on_tags(const ImageId& image) {
  const auto found = place_.ec2.snapshots({.ids = {image}, .tags = {}});
  if (!found.ok() || found->empty() || !found->front().tags.contains(token_tag)) {
    skip("CreateTags");
    return {};
  }
  QueryForm form("CreateTags");
  form.list("ResourceId", {image.str()});
  form.set("Tag.1.Key", token_tag).set("Tag.1.Value", found->front().tags.at(token_tag));
  return attempt(form, [&] { return is_there(place_.ec2, image); });
}

Result<std::optional<InstanceId>> CallTrial::live_instance() {
  std::optional<InstanceId> live;
  if (place_.installation.empty()) return live;
  const auto ours = TRY(place_.ec2.instances({.ids = {}, .tags = {{installation_tag, place_.installation}}}));
  for (const Ec2Instance& instance : ours) {
    if (instance.state != "shutting-down") live = instance.id;
  }
  return live;
}

Result<> CallTrial::on_instance(const PlannedCalls& planned) {
  const auto ours = TRY(live_instance());
  std::vector<std::string> actions(std::begin(on_instances), std::end(on_instances));
  if (planned.without_source_check) actions.emplace_back(of_source_check);
  for (const std::string& action : actions) {
    if (ours) {
      TRY(attempt(form_of(action, *ours, marks()), [&] { return is_there(place_.ec2, *ours); }));
    } else {
      skip(action);
    }
  }
  if (planned.asks_site_checks)  // of all there are: it is not changed by what it is asked of
    TRY(attempt(QueryForm("DescribeInstanceStatus"), [] { return Result<bool>(true); }));
  return planned.elastic_ip.empty() ? Result<>() : on_address(planned, ours);
}

// To an instance of ours; else the proxy stands in for it.
Result<> CallTrial::on_address(const PlannedCalls& planned, const std::optional<InstanceId>& ours) {
  if (!ours && place_.proxy.empty()) {
    skip(of_address);
    return {};
  }
  const InstanceId instance = ours ? *ours : place_.proxy;
  QueryForm form(of_address);
  form.set("AllocationId", planned.elastic_ip).set("InstanceId", instance.str());
  form.flag("AllowReassociation", true);
  return attempt(form, [&] { return is_there(place_.ec2, instance); }, ours ? On::ours : On::stand_in);
}

// Of a replication that is under way, or of an instance. The role may be one that may not look for it.
Result<std::optional<VolumeId>> CallTrial::volume_of_ours() {
  std::optional<VolumeId> found;
  if (place_.installation.empty()) return found;
  const auto ours = place_.ec2.volumes({.ids = {}, .tags = {{installation_tag, place_.installation}}});
  if (!ours.ok() && ours.error().code() == ErrorCode::permission_denied) {
    tried_.refused.push_back("ec2:DescribeVolumes");
    return found;
  }
  if (!ours.ok()) return ours.error();
  for (const Ec2Volume& volume : *ours) {
    if (volume.state == "available" || volume.state == "in-use") found = volume.id;
  }
  return found;
}

// As replication makes them: of the copy's image, in the proxy's zone. The proxy's own boot volume stands in
// for one of ours only where a copy is made of it, which changes nothing of it.
Result<> CallTrial::on_volumes(const ImageId& image) {
  const auto found = place_.proxy.empty() ? Result<std::vector<Ec2Instance>>(std::vector<Ec2Instance>())
                                          : place_.ec2.instances({.ids = {place_.proxy}, .tags = {}});
  if (!found.ok() || found->empty()) {  // that it is not there is said elsewhere
    for (const char* action : to_volumes) skip(action);
    for (const char* action : on_a_volume) skip(action);
    return {};
  }
  const Ec2Instance& proxy = found->front();
  QueryForm making("CreateVolume");
  making.set("AvailabilityZone", proxy.availability_zone).set("VolumeType", "gp3");
  making.set("SnapshotId", image.str()).tags_of("volume", marks());
  TRY(attempt(making, [&] { return is_there(place_.ec2, image); }));
  const auto ours = TRY(volume_of_ours());
  if (!ours && proxy.volumes.empty()) {
    skip("CreateSnapshot");
  } else {
    const VolumeId volume = ours ? *ours : proxy.volumes.front();
    QueryForm freezing("CreateSnapshot");
    freezing.set("VolumeId", volume.str()).tags_of("snapshot", marks());
    TRY(attempt(freezing, [&] { return is_there(place_.ec2, volume); }, ours ? On::ours : On::stand_in));
  }
  if (ours) return on_volume(*ours, proxy.id);
  for (const char* action : on_a_volume) skip(action);
  return {};
}

Result<> CallTrial::on_volume(const VolumeId& volume, const InstanceId& instance) {
  for (const char* action : on_a_volume) {
    QueryForm form(action);
    form.set("VolumeId", volume.str());
    if (form.action() != "DeleteVolume") form.set("InstanceId", instance.str());
    if (form.action() == "AttachVolume") form.set("Device", "/dev/sdf");
    TRY(attempt(form, [&] { return is_there(place_.ec2, volume); }));
  }
  return {};
}

Result<TriedCalls> CallTrial::run(const DrCopy& copy, const PlannedCalls& planned) {
  if (copy.disks.empty()) {
    skip_all(planned);
    return std::move(tried_);
  }
  const ImageId& image = copy.disks.front().image_id;
  TRY(prove_harmless(image));
  TRY(on_copy(copy));
  TRY(on_instance(planned));
  if (planned.through_volumes) TRY(on_volumes(image));
  return std::move(tried_);
}

Result<TriedCalls> AwsSite::try_calls(const DrCopy& copy, const PlannedCalls& planned) {
  return CallTrial({*ec2_, options_.installation, InstanceId(options_.proxy.instance_id)}).run(copy, planned);
}

}  // namespace rekindle
