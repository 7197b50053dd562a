#include "sandbox/region/cloud.h"

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

namespace rekindle::sandbox {

namespace {

// A Unix socket's path has at most 107 bytes (sockaddr_un); the longest below the directory has 40.
constexpr std::size_t longest_directory = 60;

Result<> check(const RegionOptions& options) {
  if (options.directory.empty() || options.access_key.empty() || options.secret_key.empty()) {
    return error(ErrorCode::invalid_argument,
                 "the local region needs a directory, an access key and a secret key");
  }
  if (options.directory.string().size() > longest_directory) {
    return error(
        ErrorCode::invalid_argument,
        "the directory {} is too long a name for the sockets in it; use one of at most {} characters",
        options.directory.string(), longest_directory);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Cloud>> Cloud::open(RegionOptions options) {
  options.directory = std::filesystem::absolute(options.directory).lexically_normal();
  TRY(check(options));
  TRY(make_directories(options.directory));
  std::unique_ptr<Cloud> cloud(new Cloud(std::move(options)));
  cloud->opened_ms_ = cloud->now_ms();
  const std::filesystem::path& directory = cloud->options_.directory;
  auto lock = TRY(FileLock::try_acquire(directory / "lock"), "another server has the region in {}",
                  directory.string());
  cloud->lock_ = std::make_unique<FileLock>(std::move(lock));
  cloud->state_ = TRY(State::open(directory / "region.db"));
  cloud->layers_ = TRY(LayerStore::open(directory / "layers"));
  cloud->account_ = TRY(AccountSettings::open(directory));
  TRY(cloud->resume());
  return cloud;
}

std::vector<std::string> Cloud::zones() const {
  return {options_.name + "a", options_.name + "b", options_.name + "c"};
}

std::int64_t Cloud::now_ms() {
  return clock_.now().time_since_epoch().count();
}

bool Cloud::hidden(const Resource& resource) {
  return resource.created_ms + faults_.not_found_window().count() > now_ms();
}

template <typename T>
void Cloud::pass_states_on() {
  std::vector<T> moved;
  for (const auto& [id, resource] : state_->all<T>()) {
    if (!resource.next_state.empty() && resource.due_ms <= now_ms()) moved.push_back(resource);
  }
  for (T& resource : moved) {
    resource.state = std::exchange(resource.next_state, "");
    state_->put(resource);
  }
}

void Cloud::expire_direct_snapshots() {
  std::vector<Snapshot> expired;
  for (const auto& [id, snapshot] : state_->all<Snapshot>()) {
    const auto limit = options_.timeout_minute * snapshot.timeout_minutes;
    if (snapshot.direct && !snapshot.sealed && snapshot.state == "pending" &&
        snapshot.last_put_ms + limit.count() <= now_ms()) {
      expired.push_back(snapshot);
    }
  }
  for (Snapshot& snapshot : expired) {
    snapshot.state = "error";
    snapshot.state_message = "No block was put and the snapshot was not completed within its timeout";
    state_->put(snapshot);
  }
}

Result<> Cloud::tick() {
  pass_states_on<Snapshot>();
  pass_states_on<Image>();
  pass_states_on<Volume>();
  expire_direct_snapshots();
  end_slow_volumes();
  std::vector<Instance> instances;
  for (const auto& [id, instance] : state_->all<Instance>()) {
    if (!instance.proxy && instance.state != "stopped") instances.push_back(instance);
  }
  for (Instance& instance : instances) tick_instance(std::move(instance));
  expire_commands();
  return state_->commit();
}

Result<> Cloud::resume() {
  TRY(settle_interrupted_freezes());
  TRY(collect_garbage());
  for (const auto& [id, volume] : state_->all<Volume>()) {
    const auto holder = state_->find<Instance>(volume.attachment.instance_id);
    if (!holder || !holder->proxy) continue;
    if (auto exported = export_volume(volume); !exported.ok()) {
      log::warn("{} of {} is not there: {}", volume.attachment.device, volume.attachment.instance_id,
                std::move(exported).error().message);
    }
  }
  return state_->commit();
}

}  // namespace rekindle::sandbox
