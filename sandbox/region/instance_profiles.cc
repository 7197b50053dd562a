// Which instance has which instance profile. An instance has at most one, so that the association has its
// number.
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

constexpr std::string_view id_prefix = "iip-assoc-";

std::string association_id(const Instance& instance) {
  return std::string(id_prefix) + instance.id.substr(instance.id.find('-') + 1);
}

bool has_association(const Instance& instance) {
  return !instance.iam_profile.empty() && instance.state != "terminated";
}

void write_association(Ec2Call& call, Xml out, const Instance& instance, const char* state) {
  out.add("associationId", association_id(instance));
  out.add("instanceId", instance.id);
  out.child("iamInstanceProfile").add("arn", profile_arn(call.cloud, instance.iam_profile));
  out.add("state", state);
}

Outcome<Instance> required_association(Ec2Call& call) {
  const std::string wanted = TRY(call.in.required("AssociationId"));
  for (const auto& [id, instance] : call.cloud.state().all<Instance>()) {
    if (has_association(instance) && association_id(instance) == wanted) return instance;
  }
  return refuse("NoSuchAssociation", "An invalid association-id of '{}' was given", wanted);
}

Outcome<std::string> named_profile(Ec2Call& call) {
  const Parameters given = call.in.under("IamInstanceProfile");
  std::string profile = given.text("Arn", given.text("Name"));
  if (profile.empty())
    return refuse("MissingParameter", "The request must contain the parameter iamInstanceProfile");
  return profile;
}

Outcome<> describe(Ec2Call& call) {
  static const FilterTable<Instance> filters = {
      {"instance-id", [](const Instance& instance) { return std::vector{instance.id}; }},
      {"state", [](const Instance&) { return std::vector<std::string>{"associated"}; }},
  };
  const auto wanted = call.in.list("AssociationId");
  Xml set = call.out.child("iamInstanceProfileAssociationSet");
  for (const auto& [id, instance] : call.cloud.state().all<Instance>()) {
    const bool passed = TRY(passes(filters_of(call.in), filters, instance));
    const bool named =
        wanted.empty() || std::find(wanted.begin(), wanted.end(), association_id(instance)) != wanted.end();
    if (passed && named && has_association(instance) && !call.cloud.hidden(instance))
      write_association(call, set.item(), instance, "associated");
  }
  return {};
}

Outcome<> associate(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  auto instance = TRY(call.cloud.require<Instance>(id));
  if (has_association(instance))
    return refuse("IncorrectState", "There is an existing association for instance {}", id);
  instance.iam_profile = TRY(named_profile(call));
  call.cloud.state().put(instance);
  write_association(call, call.out.child("iamInstanceProfileAssociation"), instance, "associating");
  return {};
}

Outcome<> replace(Ec2Call& call) {
  auto instance = TRY(required_association(call));
  instance.iam_profile = TRY(named_profile(call));
  call.cloud.state().put(instance);
  write_association(call, call.out.child("iamInstanceProfileAssociation"), instance, "associating");
  return {};
}

Outcome<> disassociate(Ec2Call& call) {
  auto instance = TRY(required_association(call));
  write_association(call, call.out.child("iamInstanceProfileAssociation"), instance, "disassociating");
  instance.iam_profile.clear();
  call.cloud.state().put(instance);
  return {};
}

}  // namespace

std::string profile_arn(Cloud& cloud, const std::string& named) {
  if (named.starts_with("arn:")) return named;
  const auto known = cloud.account().find_profile(named);
  return fmt::format("arn:aws:iam::{}:instance-profile{}{}", cloud.options().account_id,
                     known ? known->path : "/", named);
}

std::span<const Ec2Action> instance_profile_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeIamInstanceProfileAssociations", describe},
      {"AssociateIamInstanceProfile", associate},
      {"ReplaceIamInstanceProfileAssociation", replace},
      {"DisassociateIamInstanceProfile", disassociate},
  };
  return actions;
}

}  // namespace rekindle::sandbox
