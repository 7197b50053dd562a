// Stop, start, reboot, terminate.
#include "base/log.h"
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

Outcome<std::vector<Instance>> named_instances(Ec2Call& call) {
  const auto ids = call.in.list("InstanceId");
  if (ids.empty()) return refuse("MissingParameter", "The request must contain the parameter InstanceId");
  std::vector<Instance> instances;
  for (const std::string& id : ids) {
    auto instance = TRY(call.cloud.require<Instance>(id));
    instances.push_back(std::move(instance));
  }
  return instances;
}

void write_change(Xml set, const Instance& instance, const std::string& before) {
  Xml item = set.item();
  item.add("instanceId", instance.id);
  write_state(item, "currentState", instance.state);
  write_state(item, "previousState", before);
}

Outcome<> refuse_proxy(const Instance& instance, const char* what) {
  if (!instance.proxy) return {};
  return refuse("UnsupportedOperation", "{} is a proxy of the local region, which cannot be {}", instance.id,
                what);
}

Outcome<> refuse_protected(const Instance& instance, bool is_protected, const char* what,
                           const char* attribute) {
  if (!is_protected) return {};
  return refuse("OperationNotPermitted",
                "The instance '{}' may not be {}. Modify its '{}' instance attribute and try again.",
                instance.id, what, attribute);
}

Outcome<> stop_one(Cloud& cloud, Instance& instance, bool force) {
  TRY(refuse_proxy(instance, "stopped"));
  TRY(refuse_protected(instance, instance.stop_disabled, "stopped", "disableApiStop"));
  if (instance.state == "stopped" || (instance.state == "stopping" && !force)) return {};
  if (instance.state != "running" && instance.state != "stopping" && instance.state != "pending") {
    return refuse("IncorrectInstanceState",
                  "This instance '{}' is not in a state from which it can be stopped.", instance.id);
  }
  const bool at_once = force || instance.state == "pending";
  if (!at_once) {
    // A guest that does not hear it is switched off when the grace is over.
    const auto pressed = press_power_button(cloud.instance_directory(instance.id));
    if (!pressed.ok()) log::warn("shutting {} down: {}", instance.id, pressed.error().message());
  }
  cloud.begin(instance, "stopping", "stopped",
              at_once ? std::chrono::milliseconds(0) : cloud.knobs().instance_stop_grace);
  instance.reason_code = "Client.UserInitiatedShutdown";
  instance.reason_message = "Client.UserInitiatedShutdown: User initiated shutdown";
  cloud.state().put(instance);
  return {};
}

Outcome<> stop_instances(Ec2Call& call) {
  const bool force = TRY(call.in.flag("Force", false));
  auto instances = TRY(named_instances(call));
  Xml set = call.out.child("instancesSet");
  for (Instance& instance : instances) {
    const std::string before = instance.state;
    TRY(stop_one(call.cloud, instance, force));
    write_change(set, instance, before);
  }
  return {};
}

Outcome<> start_one(Cloud& cloud, Instance& instance) {
  TRY(refuse_proxy(instance, "started"));
  if (instance.state == "running" || instance.state == "pending") return {};
  if (instance.state != "stopped") {
    return refuse("IncorrectInstanceState",
                  "The instance '{}' is not in a state from which it can be started.", instance.id);
  }
  const auto volumes = cloud.volumes_of(instance.id);
  if (std::none_of(volumes.begin(), volumes.end(),
                   [&](const Volume& volume) { return volume.attachment.device == instance.root_device; })) {
    return refuse("IncorrectInstanceState", "Instance '{}' does not have a volume attached at root ({})",
                  instance.id, instance.root_device);
  }
  TRY(check_capacity(cloud, instance.instance_type, instance.zone));
  cloud.begin(instance, "pending", "running", cloud.knobs().instance_start);
  instance.launched_ms = cloud.now_ms();
  instance.reason_code.clear();
  instance.reason_message.clear();
  cloud.state().put(instance);
  return {};
}

Outcome<> start_instances(Ec2Call& call) {
  auto instances = TRY(named_instances(call));
  Xml set = call.out.child("instancesSet");
  for (Instance& instance : instances) {
    const std::string before = instance.state;
    TRY(start_one(call.cloud, instance));
    write_change(set, instance, before);
  }
  return {};
}

Outcome<> reboot_instances(Ec2Call& call) {
  auto instances = TRY(named_instances(call));
  for (const Instance& instance : instances) {
    TRY(refuse_proxy(instance, "rebooted"));
    if (instance.state != "running")
      return refuse("IncorrectInstanceState", "Instance '{}' is not running", instance.id);
    TRY(reset_machine(call.cloud.instance_directory(instance.id)));
  }
  call.out.add("return", true);
  return {};
}

void terminate_one(Cloud& cloud, Instance& instance) {
  if (instance.state == "terminated" || instance.state == "shutting-down") return;
  cloud.kill_machine(instance.id);
  cloud.begin(instance, "shutting-down", "terminated", cloud.knobs().instance_end);
  instance.reason_code = "Client.UserInitiatedShutdown";
  instance.reason_message = "Client.UserInitiatedShutdown: User initiated shutdown";
  cloud.state().put(instance);
}

Outcome<> terminate_instances(Ec2Call& call) {
  auto instances = TRY(named_instances(call));
  Xml set = call.out.child("instancesSet");
  for (const Instance& instance : instances) {
    TRY(refuse_protected(instance, instance.termination_disabled, "terminated", "disableApiTermination"));
  }
  for (Instance& instance : instances) {
    const std::string before = instance.state;
    if (instance.proxy) {
      TRY(call.cloud.release_instance(instance));
      instance.state = "terminated";
    } else {
      terminate_one(call.cloud, instance);
    }
    write_change(set, instance, before);
  }
  return {};
}

}  // namespace

std::span<const Ec2Action> power_actions() {
  static constexpr Ec2Action actions[] = {
      {"StopInstances", stop_instances},
      {"StartInstances", start_instances},
      {"RebootInstances", reboot_instances},
      {"TerminateInstances", terminate_instances},
  };
  return actions;
}

}  // namespace rekindle::sandbox
