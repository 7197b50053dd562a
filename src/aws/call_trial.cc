// AwsSite: which calls our role may make, tried by DryRun on what there is of ours.
#include "aws/aws_site.h"
#include "aws/gone.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

// The policy asks for our tags, so that nothing can be tried on what is not ours.
constexpr const char* on_an_image = "DeleteSnapshot";
constexpr const char* on_a_template = "DeregisterImage";
constexpr const char* on_an_instance[] = {"TerminateInstances", "StopInstances", "StartInstances",
                                          "CreateSnapshots", "ModifyInstanceAttribute"};

QueryForm form_of(const std::string& action, const InstanceId& id, const Tags& tags) {
  QueryForm form(action);
  if (action == "CreateSnapshots") {
    form.set("InstanceSpecification.InstanceId", id.str()).tags_of("snapshot", tags);
  } else if (action == "ModifyInstanceAttribute") {
    form.set("InstanceId", id.str()).flag("SourceDestCheck.Value", true);
  } else {
    form.list("InstanceId", {id.str()});
  }
  return form;
}

// Tries one call after the other and keeps what AWS says.
class Trial {
 public:
  explicit Trial(Ec2Client& ec2) : ec2_(ec2) {}

  // An endpoint that ignores DryRun would do the others: one that only looks is tried before them.
  Result<> prove_harmless(const ImageId& image) {
    QueryForm form("DescribeSnapshots");
    form.list("SnapshotId", {image.str()});
    const auto allowed = TRY(ec2_.may_call(form), "trying whether DryRun is heeded");
    if (!allowed)
      return error(ErrorCode::not_found, "there is nothing to try them on: {} is not there", image);
    if (!*allowed) return error(ErrorCode::permission_denied, "ec2:DescribeSnapshots may not be called");
    return {};
  }

  // `describe` tells whether what it is tried on is there: AWS refuses what is gone as what is not ours.
  template <typename Describe>
  Result<> attempt(const QueryForm& form, Describe&& describe) {
    auto allowed = TRY(ec2_.may_call(form), "trying {}", form.action());
    if (allowed == false) {
      const auto there = describe();
      if (!there.ok() && says_gone(there.error())) allowed.reset();
    }
    auto& list = !allowed ? tried_.untried : *allowed ? tried_.allowed : tried_.refused;
    list.push_back("ec2:" + form.action());
    return {};
  }

  void skip(const std::string& action) { tried_.untried.push_back("ec2:" + action); }
  TriedCalls take() { return std::move(tried_); }

 private:
  Ec2Client& ec2_;
  TriedCalls tried_;
};

}  // namespace

Result<TriedCalls> AwsSite::try_calls(const DrCopy& copy) {
  Trial trial(*ec2_);
  if (copy.disks.empty()) {
    for (const char* action : {on_an_image, on_a_template}) trial.skip(action);
    for (const char* action : on_an_instance) trial.skip(action);
    return trial.take();
  }
  const ImageId& image = copy.disks.front().image_id;
  TRY(trial.prove_harmless(image));
  QueryForm removal(on_an_image);
  removal.set("SnapshotId", image.str());
  TRY(trial.attempt(removal, [&] { return describe_image(image, milliseconds(0)); }));
  if (copy.template_id.empty()) {
    trial.skip(on_a_template);
  } else {
    QueryForm form(on_a_template);
    form.set("ImageId", copy.template_id.str());
    TRY(trial.attempt(form, [&] { return describe_template(copy.template_id, milliseconds(0)); }));
  }
  const auto instance = TRY(any_live_instance());
  const Tags tags = marked({{token_tag, "rekindle-check-" + copy.id}});
  for (const char* action : on_an_instance) {
    if (instance) {
      TRY(trial.attempt(form_of(action, *instance, tags),
                        [&] { return describe_live_instance(*instance, milliseconds(0)); }));
    } else {
      trial.skip(action);
    }
  }
  return trial.take();
}

Result<std::optional<InstanceId>> AwsSite::any_live_instance() {
  std::optional<InstanceId> live;
  if (options_.installation.empty()) return live;
  const auto ours = TRY(ec2_->instances({.ids = {}, .tags = {{installation_tag, options_.installation}}}));
  for (const Ec2Instance& instance : ours) {
    if (instance.state != "shutting-down") live = instance.id;
  }
  return live;
}

}  // namespace rekindle
