#include "sandbox/region/ec2.h"

#include "base/log.h"
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

constexpr const char* ec2_namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
constexpr const char* ec2_version = "2016-11-15";

const Ec2Action* find_action(std::string_view name) {
  for (const auto actions :
       {vpc_actions(), network_attribute_actions(), security_group_actions(), group_rule_actions(),
        volume_actions(), attachment_actions(), snapshot_actions(), image_actions(), run_actions(),
        power_actions(), instance_view_actions(), tag_actions(), place_actions(), elastic_address_actions(),
        instance_attribute_actions(), instance_option_actions(), instance_profile_actions()}) {
    for (const Ec2Action& action : actions) {
      if (name == action.name) return &action;
    }
  }
  return nullptr;
}

std::string new_request_id() {
  SystemRandom random;
  return random.uuid();
}

template <typename T>
Outcome<> require_named(Ec2Call& call, const std::string& parameter) {
  auto ids = call.in.list(parameter);
  if (call.in.has(parameter)) ids.push_back(call.in.text(parameter));
  for (const std::string& id : ids) TRY(call.cloud.require<T>(id));
  return {};
}

// AWS looks for what a call is about before it says what it would have done. An image may be the one that AWS
// offers to everybody, which is no resource here.
Outcome<> refuse_dry_run(Ec2Call& call, const std::string& name) {
  const std::lock_guard lock(call.cloud.mutex());
  TRY(require_named<Instance>(call, "InstanceId"));
  TRY(require_named<Instance>(call, "InstanceSpecification.InstanceId"));
  TRY(require_named<Snapshot>(call, "SnapshotId"));
  TRY(require_named<Volume>(call, "VolumeId"));
  TRY(require_named<ElasticAddress>(call, "AllocationId"));
  if (name != "RunInstances") TRY(require_named<Image>(call, "ImageId"));
  return Refusal{"DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412};
}

Outcome<> perform(Ec2Call& call, const std::string& name) {
  if (name.empty())
    return refuse("MissingAction", "The request is missing an action or a required parameter");
  if (call.in.text("Version") != ec2_version) {
    return refuse("NoSuchVersion", "The action {} is not valid for version '{}'; use {}", name,
                  call.in.text("Version"), ec2_version);
  }
  const Ec2Action* action = find_action(name);
  if (action == nullptr) {
    return refuse("InvalidAction",
                  "The action {} is not valid for this web service: the local region does not implement it",
                  name);
  }
  const bool dry_run = TRY(call.in.flag("DryRun", false));
  if (dry_run) return refuse_dry_run(call, name);
  const std::lock_guard lock(call.cloud.mutex());
  auto done = action->handle(call);
  if (done.ok()) {
    TRY(call.cloud.state().commit());
    return {};
  }
  TRY(call.cloud.state().roll_back());
  return done;
}

}  // namespace

Parameters parameters_of(const HttpRequest& request) {
  return Parameters::parse(request.body.empty() ? std::string_view(request.query) : request.body_text());
}

std::string query_action(const HttpRequest& request) {
  return parameters_of(request).text("Action");
}

HttpResponse answer_ec2(Cloud& cloud, const HttpRequest& request, const Faults::Verdict& verdict) {
  const Parameters parameters = parameters_of(request);
  const std::string name = parameters.text("Action");
  const std::string request_id = new_request_id();
  pugi::xml_document document;
  pugi::xml_node root = document.append_child((name + "Response").c_str());
  root.append_attribute("xmlns").set_value(ec2_namespace);
  Ec2Call call{cloud, parameters, Xml(root), verdict.instances_die_of};
  call.out.add("requestId", request_id);
  auto done = perform(call, name);
  if (!done.ok()) return ec2_refusal(std::move(done).error(), request_id);
  return xml_answer(200, document);
}

HttpResponse ec2_refusal(const Refusal& refusal, const std::string& request_id) {
  pugi::xml_document document;
  Xml out(document.append_child("Response"));
  Xml error = out.child("Errors").child("Error");
  error.add("Code", refusal.code);
  error.add("Message", refusal.message);
  out.add("RequestID", request_id);
  return xml_answer(refusal.status, document);
}

bool is_tag_filter(std::string_view name) {
  return name.starts_with("tag:") || name == "tag-key" || name == "tag-value";
}

bool tag_filter_matches(const Filter& filter, const Tags& tags) {
  if (filter.name.starts_with("tag:")) {
    const auto tag = tags.find(filter.name.substr(4));
    return tag != tags.end() && filter.matches(tag->second);
  }
  return std::any_of(tags.begin(), tags.end(), [&](const auto& tag) {
    return filter.matches(filter.name == "tag-key" ? tag.first : tag.second);
  });
}

Outcome<std::vector<std::string>> earlier_results(Ec2Call& call, const std::string& action) {
  const std::string token = call.in.text("ClientToken");
  if (token.size() > 64) return refuse("InvalidParameterValue", "ClientToken is longer than 64 characters");
  const auto earlier = call.cloud.state().find<Replay>(action + ":" + token);
  if (token.empty() || !earlier) return std::vector<std::string>();
  if (earlier->fingerprint != call.in.fingerprint()) {
    return refuse(
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).");
  }
  return earlier->result_ids;
}

void remember_results(Ec2Call& call, const std::string& action, std::vector<std::string> ids) {
  const std::string token = call.in.text("ClientToken");
  if (token.empty()) return;
  Replay replay;
  replay.id = action + ":" + token;
  replay.created_ms = call.cloud.now_ms();
  replay.fingerprint = call.in.fingerprint();
  replay.result_ids = std::move(ids);
  call.cloud.state().put(replay);
}

}  // namespace rekindle::sandbox
