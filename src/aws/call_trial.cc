// AwsSite: which calls our role may make, tried by DryRun on what there is of ours.
#include "aws/aws_site.h"

namespace rekindle {

namespace {

QueryForm on_instance(const char* action, const InstanceId& id) {
  QueryForm form(action);
  form.list("InstanceId", {id.str()});
  return form;
}

QueryForm freeze_volumes(const InstanceId& id, const Tags& tags) {
  QueryForm form("CreateSnapshots");
  form.set("InstanceSpecification.InstanceId", id.str()).tags_of("snapshot", tags);
  return form;
}

QueryForm set_source_dest_check(const InstanceId& id) {
  QueryForm form("ModifyInstanceAttribute");
  form.set("InstanceId", id.str()).flag("SourceDestCheck.Value", true);
  return form;
}

QueryForm make_volume(const ImageId& from, const std::string& zone, const Tags& tags) {
  QueryForm form("CreateVolume");
  form.set("AvailabilityZone", zone).set("SnapshotId", from.str()).tags_of("volume", tags);
  return form;
}

}  // namespace

// The role's policy asks for our tags, so that nothing can be tried on what is not ours.
Result<TriedCalls> AwsSite::try_calls(const DrCopy& copy) {
  TriedCalls tried;
  const auto attempt = [&](const QueryForm& form) -> Result<> {
    const auto allowed = TRY(ec2_->may_call(form), "trying {}", form.action());
    auto& list = !allowed ? tried.untried : *allowed ? tried.allowed : tried.refused;
    list.push_back("ec2:" + form.action());
    return {};
  };
  const Tags tags = marked({{token_tag, "rekindle-check-" + copy.id}});
  if (!copy.disks.empty()) {
    QueryForm form("DeleteSnapshot");
    TRY(attempt(form.set("SnapshotId", copy.disks.front().image_id.str())));
  }
  if (!copy.template_id.empty()) {
    QueryForm form("DeregisterImage");
    TRY(attempt(form.set("ImageId", copy.template_id.str())));
  } else {
    tried.untried.emplace_back("ec2:DeregisterImage");
  }
  if (!options_.proxy.instance_id.empty() && !copy.disks.empty()) {
    const auto found = TRY(ec2_->instances({.ids = {InstanceId(options_.proxy.instance_id)}, .tags = {}}));
    if (!found.empty())
      TRY(attempt(make_volume(copy.disks.front().image_id, found.front().availability_zone, tags)));
  }
  TRY(try_on_instance(tags, attempt, tried));
  return tried;
}

Result<> AwsSite::try_on_instance(const Tags& tags, const std::function<Result<>(const QueryForm&)>& attempt,
                                  TriedCalls& tried) {
  std::vector<Ec2Instance> ours;
  if (!options_.installation.empty())
    ours = TRY(ec2_->instances({.ids = {}, .tags = {{installation_tag, options_.installation}}}));
  if (ours.empty()) {
    for (const char* action : {"TerminateInstances", "StopInstances", "StartInstances", "CreateSnapshots",
                               "ModifyInstanceAttribute"})
      tried.untried.push_back(std::string("ec2:") + action);
    return {};
  }
  const InstanceId& id = ours.front().id;
  for (const char* action : {"TerminateInstances", "StopInstances", "StartInstances"})
    TRY(attempt(on_instance(action, id)));
  TRY(attempt(freeze_volumes(id, tags)));
  return attempt(set_source_dest_check(id));
}

}  // namespace rekindle
