// The life of an instance: pending, running, stopping, stopped, shutting-down, terminated, and the QEMU
// process of it.
#include <algorithm>

#include "base/log.h"
#include "base/process.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/instance_types.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;

namespace {
constexpr int start_attempts = 5;
}  // namespace

fs::path Cloud::instance_directory(const std::string& instance_id) const {
  return options_.directory / "instances" / instance_id;
}

MachineDisk Cloud::disk_of(const Volume& volume, const Instance& instance) const {
  return {volume.id, layers_of(volume), volume.attachment.slot,
          volume.attachment.device == instance.root_device};
}

pid_t Cloud::machine_pid(const std::string& instance_id) {
  const fs::path socket = machine_socket(instance_directory(instance_id));
  auto known = machines_.find(instance_id);
  if (known == machines_.end()) known = machines_.emplace(instance_id, find_holder(socket)).first;
  // The socket is in the command line: a process that took over the number is not taken for the machine.
  return process_lives(known->second, socket.string()) ? known->second : 0;
}

void Cloud::kill_machine(const std::string& instance_id) {
  switch_off(instance_directory(instance_id), machine_pid(instance_id));
  machines_.erase(instance_id);
  starts_.erase(instance_id);
}

Result<> Cloud::start_machine_of(Instance& instance) {
  const auto subnet = state_->find<Subnet>(instance.subnet_id);
  const InstanceType* type = find_instance_type(instance.instance_type);
  const auto network = subnet ? Network::parse(subnet->cidr) : std::nullopt;
  if (!network || type == nullptr) return error(ErrorCode::failed_precondition, "its subnet or type is gone");
  InstanceSpec spec{instance.id,
                    instance.instance_type,
                    instance_directory(instance.id),
                    std::min(type->memory_mib, options_.guest_memory_mib),
                    instance.boot_mode != "legacy-bios",
                    instance.mac,
                    *network,
                    instance.private_ip,
                    instance.public_ip,
                    {}};
  for (const Volume& volume : volumes_of(instance.id)) spec.disks.push_back(disk_of(volume, instance));
  machines_[instance.id] = TRY(start_machine(spec));
  ++starts_[instance.id];
  return {};
}

void Cloud::start_instance(Instance instance) {
  if (auto started = start_machine_of(instance); !started.ok()) {
    fail_start(std::move(instance), started.error().message());
  } else {
    state_->put(instance);
  }
}

void Cloud::fail_start(Instance instance, const std::string& why) {
  log::warn("{} does not start: {}", instance.id, why);
  starts_.erase(instance.id);
  instance.reason_code = "Server.InternalError";
  instance.reason_message = why;
  if (!instance.ever_ran) {
    const auto released = release_instance(std::move(instance));
    if (!released.ok()) log::warn("releasing an instance that did not start: {}", released.error().message());
    return;
  }
  instance.state = "stopped";
  instance.next_state.clear();
  state_->put(instance);
}

// The machine of a pending instance was started, and is gone. A machine that is just ending may still have
// held the address.
void Cloud::restart_instance(Instance instance) {
  const std::string reason = last_words(instance_directory(instance.id));
  if (reason.find("host forwarding") == std::string::npos || starts_[instance.id] >= start_attempts) {
    fail_start(std::move(instance), "QEMU ended at once: " + reason);
    return;
  }
  start_instance(std::move(instance));
}

void Cloud::end_instance(Instance instance) {
  const auto released = release_instance(std::move(instance));
  if (!released.ok()) log::warn("ending an instance: {}", released.error().message());
}

void Cloud::tick_pending(Instance instance) {
  if (!instance.dies_of.empty()) {
    if (instance.due_ms > now_ms()) return;
    instance.reason_code = instance.dies_of;
    instance.reason_message = instance.dies_of + ": a fault that was asked for";
    end_instance(std::move(instance));
    return;
  }
  if (machine_pid(instance.id) == 0) {
    starts_.contains(instance.id) ? restart_instance(std::move(instance))
                                  : start_instance(std::move(instance));
    return;
  }
  if (instance.due_ms > now_ms()) return;
  instance.state = "running";
  instance.next_state.clear();
  instance.ever_ran = true;
  instance.running_since_ms = now_ms();
  starts_.erase(instance.id);
  state_->put(instance);
}

void Cloud::tick_instance(Instance instance) {
  if (instance.state == "pending") {
    tick_pending(std::move(instance));
    return;
  }
  const bool due = instance.due_ms <= now_ms();
  const bool lives = instance.state != "terminated" && machine_pid(instance.id) != 0;
  if (instance.state == "running" && !lives) {
    const std::string words = last_words(instance_directory(instance.id));
    instance.reason_code = words.empty() ? "Client.InstanceInitiatedShutdown" : "Server.InternalError";
    instance.reason_message = instance.reason_code + ": " +
                              (words.empty() ? "the machine switched itself off or was killed" : words);
    if (words.empty() && instance.shutdown_behavior == "terminate") {
      end_instance(std::move(instance));
      return;
    }
    instance.state = "stopped";
    state_->put(instance);
  } else if (instance.state == "stopping" && (!lives || due)) {
    kill_machine(instance.id);
    instance.state = "stopped";
    instance.next_state.clear();
    state_->put(instance);
  } else if (instance.state == "shutting-down" && due) {
    end_instance(std::move(instance));
  } else if (instance.state == "terminated" && due) {
    std::error_code ignored;
    fs::remove_all(instance_directory(instance.id), ignored);
    state_->remove<Instance>(instance.id);
  }
}

Result<> Cloud::release_instance(Instance instance) {
  kill_machine(instance.id);
  bool deleted = false;
  for (Volume& volume : volumes_of(instance.id)) {
    if (instance.proxy) {
      if (auto ended = end_export(volume); !ended.ok()) {
        return error(ErrorCode::unavailable, "{}", std::move(ended).error().message);
      }
    }
    if (volume.attachment.delete_on_termination) {
      state_->remove<Volume>(volume.id);
      deleted = true;
      continue;
    }
    volume.attachment = {};
    volume.state = "available";
    state_->put(volume);
  }
  instance.state = "terminated";
  instance.next_state.clear();
  instance.due_ms = now_ms() + options_.terminated_kept.count();
  state_->put(instance);
  TRY(state_->commit());
  return deleted ? collect_garbage() : Result<>();
}

}  // namespace rekindle::sandbox
