#include "aws/aws_site.h"

#include <algorithm>

#include "aws/gone.h"
#include "aws/image_source.h"
#include "aws/image_writer.h"
#include "aws/instance_profile.h"
#include "aws/kms_key.h"
#include "aws/launch_check.h"
#include "aws/pending_snapshots.h"
#include "aws/service_quotas.h"
#include "base/log.h"
#include "site/refusal.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_poll{200};
constexpr milliseconds longest_poll{2000};
// A snapshot is free some seconds after its AMI was deregistered.
constexpr milliseconds release_time{10000};

// Amazon Linux 2023 of every day: the newest is the last by name.
constexpr const char* public_images = "al2023-ami-2023*-x86_64";

Image to_image(Ec2Snapshot snapshot) {
  Image image;
  image.id = std::move(snapshot.id);
  image.size_bytes = snapshot.size_gib * gib;
  if (snapshot.state == "completed") image.state = ImageState::complete;
  if (snapshot.state == "error") image.state = ImageState::failed;
  if (auto parent = snapshot.tags.extract(parent_tag)) image.parent = ImageId(parent.mapped());
  image.tags = std::move(snapshot.tags);
  image.detail = std::move(snapshot.state_message);
  image.zeros_must_be_put = snapshot.encrypted;
  return image;
}

InstanceState to_state(std::string_view name) {
  if (name == "pending") return InstanceState::pending;
  if (name == "running") return InstanceState::running;
  if (name == "stopping") return InstanceState::stopping;
  if (name == "stopped") return InstanceState::stopped;
  if (name == "shutting-down") return InstanceState::terminating;
  return InstanceState::terminated;
}

Instance to_instance(Ec2Instance from) {
  Instance instance;
  instance.id = std::move(from.id);
  instance.state = to_state(from.state);
  instance.instance_type = std::move(from.instance_type);
  instance.firmware = from.boot_mode == "uefi" ? Firmware::uefi : Firmware::bios;
  instance.private_ip = std::move(from.private_ip);
  instance.public_ip = std::move(from.public_ip);
  instance.state_reason = std::move(from.state_reason);
  instance.had_no_capacity = from.state_reason_code == "Server.InsufficientInstanceCapacity";
  instance.tags = std::move(from.tags);
  for (const VolumeId& volume : from.volumes) instance.volume_ids.push_back(volume.str());
  return instance;
}

// What AWS recommends on Linux: sda1 for the root, sdf to sdp for the next eleven, then xvdba and on.
std::string default_device_name(std::size_t position) {
  if (position == 0) return "/dev/sda1";
  if (position <= 11) return fmt::format("/dev/sd{}", static_cast<char>('f' + position - 1));
  return fmt::format("/dev/xvdb{}", static_cast<char>('a' + position - 12));
}

Result<> refuse_no_tags(const Tags& tags) {
  if (!tags.empty()) return {};
  return error(ErrorCode::invalid_argument,
               "looking for everything in the AWS account is refused: name a tag");
}

RunInstancesRequest launch_request(const LaunchSpec& spec) {
  RunInstancesRequest request;
  request.image = spec.image_template;
  request.instance_type = spec.instance_type;
  request.subnet_id = spec.subnet_id;
  request.security_group_ids = spec.security_group_ids;
  request.private_ip = spec.private_ip;
  request.public_address = spec.public_address;
  request.instance_profile = spec.instance_profile;
  request.user_data = spec.user_data;
  if (spec.volumes != VolumeSettings()) {
    for (std::size_t i = 0; i < spec.disks; ++i)
      request.devices.push_back({default_device_name(i), spec.volumes});
  }
  request.client_token = spec.token;
  request.tags = spec.tags;
  return request;
}

}  // namespace

AwsSite::AwsSite(const AwsSiteOptions& options, Clock& clock)
    : options_(options), clock_(clock), recent_(clock, options.settling_time) {}

Result<std::unique_ptr<AwsSite>> AwsSite::make(const AwsSiteOptions& options, HttpTransport& transport,
                                               Clock& clock, Random& random) {
  if (options.region.empty()) {
    return error(ErrorCode::invalid_argument, "the AWS account names no region; give one, like eu-central-1");
  }
  TRY(options.credentials.check());
  auto options_of = [&](const char* name) {
    return ServiceOptions{name, options.region, options.endpoint, options.credentials, options.retries};
  };
  auto service = [&](const char* name) {
    return ServiceClient::make(options_of(name), transport, clock, random);
  };
  std::unique_ptr<AwsSite> site(new AwsSite(options, clock));
  auto sts = TRY(service("sts"));
  auto ec2 = TRY(service("ec2"));
  auto ebs = TRY(service("ebs"));
  auto kms = TRY(service("kms"));
  auto quotas = TRY(service("servicequotas"));
  auto ssm = TRY(service("ssm"));
  auto iam = TRY(ServiceClient::make(iam_options(options_of("iam")), transport, clock, random));
  site->sts_ = std::make_unique<QueryClient>(std::move(sts), "2011-06-15", clock);
  site->ec2_ =
      std::make_unique<Ec2Client>(std::make_unique<QueryClient>(std::move(ec2), "2016-11-15", clock));
  site->iam_ = std::make_unique<QueryClient>(std::move(iam), iam_version, clock);
  site->kms_ = std::make_unique<JsonClient>(std::move(kms), kms_target);
  site->quotas_ = std::make_unique<JsonClient>(std::move(quotas), quotas_target);
  site->ebs_ = std::make_unique<EbsClient>(std::move(ebs), options.ebs_quotas, clock);
  site->instances_ = std::make_unique<AwsInstances>(*site);
  site->guest_scripts_ = std::make_unique<AwsGuestScripts>(
      std::make_unique<JsonClient>(std::move(ssm), ssm_target), clock, options.settling_time);
  return site;
}

// Few attempts: somebody waits for the answer at the keyboard.
Result<std::string> AwsSite::identity() {
  const QueryAnswer answer = TRY(sts_->call(QueryForm("GetCallerIdentity"), {.attempts = 3}));
  return answer.root().child("GetCallerIdentityResult").required("Account");
}

Tags AwsSite::marked(Tags tags) const {
  if (!options_.installation.empty()) tags[installation_tag] = options_.installation;
  return tags;
}

Result<ImageId> AwsSite::start_image(const ImageSpec& spec) {
  StartSnapshotRequest request;
  request.size_gib = std::max<std::uint64_t>(1, (spec.size_bytes + gib - 1) / gib);
  request.parent = spec.parent;
  request.description = spec.description;
  request.client_token = spec.token;
  request.tags = marked(spec.tags);
  if (spec.parent) request.tags[parent_tag] = spec.parent->str();
  if (!spec.parent && spec.encryption.encrypted) {
    request.encrypted = true;
    request.kms_key_arn = TRY(kms_key_arn(*kms_, spec.encryption.kms_key));
  }
  bool lost_one = false;
  auto started = when_few_are_pending(clock_, spec.stop, [&] {
    auto once = ebs_->start_snapshot(request);
    lost_one = lost_one ||
               (!once.ok() && too_many_pending(once.error()) && once.error().code() != ErrorCode::exhausted);
    return once;
  });
  if (started.ok()) recent_.note(started->str());
  return lost_one ? after_making(std::move(started)) : started;
}

Result<Ec2Snapshot> AwsSite::describe_image(const ImageId& id) {
  return describe_image(id, recent_.grace(id.str()));
}

Result<Ec2Snapshot> AwsSite::describe_image(const ImageId& id, milliseconds settle_for) {
  auto found = TRY(ec2_->snapshots({.ids = {id}, .tags = {}}, settle_for), "image {}", id);
  if (found.empty()) return error(ErrorCode::not_found, "image {} does not exist", id);
  return std::move(found.front());
}

Result<std::unique_ptr<ImageWriter>> AwsSite::open_writer(const ImageId& image) {
  const Ec2Snapshot snapshot = TRY(describe_image(image));
  if (snapshot.state != "pending") {
    return error(ErrorCode::failed_precondition, "image {} is '{}': only a pending one can be written", image,
                 snapshot.state);
  }
  return std::unique_ptr<ImageWriter>(std::make_unique<EbsImageWriter>(
      image, snapshot.size_gib * gib, *ebs_, *ec2_, recent_, clock_, options_.completion_time));
}

Result<Image> AwsSite::image(const ImageId& id) {
  Ec2Snapshot snapshot = TRY(describe_image(id));
  return to_image(std::move(snapshot));
}

Result<std::unique_ptr<BlockSource>> AwsSite::open_image(const ImageId& id) {
  const Ec2Snapshot snapshot = TRY(describe_image(id));
  if (snapshot.state != "completed") {
    return error(ErrorCode::failed_precondition, "image {} is '{}': only a complete one can be read", id,
                 snapshot.state);
  }
  auto source =
      TRY(EbsImageSource::open(id, snapshot.size_gib * gib, *ebs_, clock_, recent_.grace(id.str())));
  return std::unique_ptr<BlockSource>(std::move(source));
}

// What was just made and is said to be absent is asked for again: else it would be left behind.
Result<> AwsSite::remove_image(const ImageId& id) {
  const auto deadline = clock_.ticks() + release_time;
  for (;;) {
    auto removed = remove_or_gone(
        recent_, id.str(), [&](milliseconds settle_for) { return ec2_->delete_snapshot(id, settle_for); },
        [&](milliseconds settle_for) { return describe_image(id, settle_for); });
    if (removed.ok() || removed.error().code() == ErrorCode::not_found) break;
    if (removed.error().code() != ErrorCode::failed_precondition || clock_.ticks() >= deadline) {
      return std::move(removed).error().context("removing image {}", id);
    }
    clock_.sleep(longest_poll);
  }
  recent_.forget(id.str());
  return {};
}

Result<std::vector<Image>> AwsSite::find_images(const Tags& tags) {
  TRY(refuse_no_tags(tags));
  auto found = TRY(ec2_->snapshots({.ids = {}, .tags = tags}));
  std::vector<Image> images;
  for (Ec2Snapshot& snapshot : found) images.push_back(to_image(std::move(snapshot)));
  return images;
}

// RegisterImage has no client token; the unique name makes it idempotent.
Result<TemplateId> AwsSite::find_registered(const TemplateSpec& spec) {
  const auto named = TRY(ec2_->images_named(spec.name));
  if (named.empty()) return error(ErrorCode::not_found, "no template is named '{}'", spec.name);
  std::vector<ImageId> wanted;
  for (const ImageDisk& disk : spec.disks) wanted.push_back(disk.image);
  std::vector<ImageId> has = named.front().snapshots;
  std::sort(wanted.begin(), wanted.end());
  std::sort(has.begin(), has.end());
  if (has != wanted) {
    return error(ErrorCode::already_exists, "{} is named '{}' too, but made of other images: remove it",
                 named.front().id, spec.name);
  }
  return named.front().id;
}

Result<> AwsSite::wait_until_available(const TemplateId& id) {
  const auto deadline = clock_.ticks() + options_.completion_time;
  for (milliseconds pause = first_poll;; pause = std::min(2 * pause, longest_poll)) {
    const auto found = ec2_->images({.ids = {id}, .tags = {}});
    const bool denied = found.ok() ? found->empty() : found.error().code() == ErrorCode::not_found;
    if (!found.ok() && !denied) return found.error();
    if (denied && recent_.grace(id.str()).count() == 0)
      return error(ErrorCode::not_found, "template {} is gone", id);
    const std::string state = denied ? "not listed yet" : found->front().state;
    if (state == "available") return {};
    if (state == "failed" || state == "error" || state == "invalid") {
      return error(ErrorCode::internal, "template {} is '{}': {}", id, state, found->front().state_reason);
    }
    if (clock_.ticks() >= deadline)
      return error(ErrorCode::unavailable, "template {} is still '{}'", id, state);
    clock_.sleep(pause);
  }
}

RegisterImageRequest AwsSite::to_request(const TemplateSpec& spec) const {
  RegisterImageRequest request{spec.name, "", spec.firmware == Firmware::uefi, {}, marked(spec.tags)};
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const ImageDisk& disk = spec.disks[i];
    request.devices.push_back(
        {disk.device_name.empty() ? default_device_name(i) : disk.device_name, disk.image});
  }
  return request;
}

Result<> AwsSite::check_template(const TemplateSpec& spec) {
  if (spec.disks.empty()) return error(ErrorCode::invalid_argument, "template '{}' has no disk", spec.name);
  TRY(ec2_->register_image(to_request(spec), true), "registering an AMI of {}", spec.disks[0].image);
  return {};
}

Result<TemplateId> AwsSite::register_template(const TemplateSpec& spec) {
  if (spec.disks.empty()) return error(ErrorCode::invalid_argument, "template '{}' has no disk", spec.name);
  const RegisterImageRequest request = to_request(spec);
  auto registered = ec2_->register_image(request);
  if (!registered.ok() && registered.error().code() == ErrorCode::already_exists)
    registered = after_making(find_registered(spec));
  TemplateId id = TRY(std::move(registered), "registering template '{}'", spec.name);
  recent_.note(id.str());
  TRY(after_making(wait_until_available(id)), "registering template '{}'", spec.name);
  return id;
}

Result<> AwsSite::describe_template(const TemplateId& id, milliseconds settle_for) {
  const auto found = TRY(ec2_->images({.ids = {id}, .tags = {}}, settle_for), "template {}", id);
  if (found.empty() || found.front().state == "deregistered")
    return error(ErrorCode::not_found, "template {} is gone", id);
  return {};
}

Result<> AwsSite::remove_template(const TemplateId& id) {
  auto removed = remove_or_gone(
      recent_, id.str(), [&](milliseconds settle_for) { return ec2_->deregister_image(id, settle_for); },
      [&](milliseconds settle_for) { return describe_template(id, settle_for); });
  if (!removed.ok() && !says_gone(removed.error()))
    return std::move(removed).error().context("removing template {}", id);
  recent_.forget(id.str());
  return {};
}

Result<std::vector<TemplateId>> AwsSite::find_templates(const Tags& tags) {
  TRY(refuse_no_tags(tags));
  const auto found = TRY(ec2_->images({.ids = {}, .tags = tags}));
  std::vector<TemplateId> ids;
  for (const Ec2Image& image : found) ids.push_back(image.id);
  return ids;
}

Error AwsSite::explain_launch(const AwsFault& fault, const LaunchSpec& spec) {
  LaunchPlace place{options_.region, ""};
  const auto subnets = spec.subnet_id.empty() ? Result<std::vector<Ec2Subnet>>(std::vector<Ec2Subnet>())
                                              : ec2_->subnets({spec.subnet_id});
  if (subnets.ok() && !subnets->empty()) place.availability_zone = subnets->front().availability_zone;
  return explain_launch_fault(fault, spec, place, ec2_->service());
}

Result<InstanceId> AwsSite::launch(const LaunchSpec& spec) {
  RunInstancesRequest request = launch_request(spec);
  request.tags = marked(std::move(request.tags));
  const auto deadline = clock_.ticks() + recent_.grace(spec.image_template.str());
  for (bool lost_one = false;;) {
    auto run = ec2_->run_instance(request);
    auto outcome = TRY(lost_one ? after_making(std::move(run)) : std::move(run));
    if (auto* instance = std::get_if<Ec2Instance>(&outcome)) {
      recent_.note(instance->id.str());
      return std::move(instance->id);
    }
    AwsFault& fault = std::get<AwsFault>(outcome);
    fault.after_lost_attempt = lost_one = lost_one || fault.after_lost_attempt;
    const bool too_early = fault.code == "InvalidAMIID.NotFound" || fault.code == "InvalidAMIID.Unavailable";
    if (!too_early || clock_.ticks() >= deadline) return explain_launch(fault, spec);
    clock_.sleep(longest_poll);
  }
}

Result<> AwsSite::adjust(const InstanceId& id, const LaunchSpec& spec) {
  if (spec.source_dest_check == false)
    TRY(ec2_->set_source_dest_check(id, false), "switching off the source/destination check of {}", id);
  if (!spec.elastic_ip.empty())
    TRY(ec2_->associate_address(spec.elastic_ip, id), "giving {} the Elastic IP {}", id, spec.elastic_ip);
  return {};
}

Result<> AwsSite::stop(const InstanceId& id) {
  return ec2_->stop_instance(id);
}

Result<> AwsSite::start(const InstanceId& id) {
  return ec2_->start_instance(id);
}

Result<bool> AwsSite::passes_site_checks(const InstanceId& id) {
  return ec2_->passes_status_checks(id);
}

Result<Instance> AwsSite::instance(const InstanceId& id) {
  return describe_instance(id, recent_.grace(id.str()));
}

Result<Instance> AwsSite::describe_instance(const InstanceId& id, milliseconds settle_for) {
  auto found = TRY(ec2_->instances({.ids = {id}, .tags = {}}, settle_for), "instance {}", id);
  if (found.empty()) return error(ErrorCode::not_found, "instance {} does not exist", id);
  return to_instance(std::move(found.front()));
}

// AWS describes a terminated instance for an hour, without its tags. It will not come back, however young.
Result<> AwsSite::describe_live_instance(const InstanceId& id, milliseconds settle_for) {
  const Instance found = TRY(describe_instance(id, settle_for));
  if (found.state != InstanceState::terminating && found.state != InstanceState::terminated) return {};
  recent_.forget(id.str());
  return error(ErrorCode::not_found, "instance {} is terminated", id);
}

Result<> AwsSite::terminate(const InstanceId& id) {
  auto terminated = remove_or_gone(
      recent_, id.str(), [&](milliseconds settle_for) { return ec2_->terminate_instance(id, settle_for); },
      [&](milliseconds settle_for) { return describe_live_instance(id, settle_for); });
  if (!terminated.ok() && terminated.error().code() != ErrorCode::not_found)
    return std::move(terminated).error().context("terminating instance {}", id);
  recent_.forget(id.str());
  return {};
}

Result<std::vector<Instance>> AwsSite::find_instances(const Tags& tags) {
  TRY(refuse_no_tags(tags));
  auto found = TRY(ec2_->instances({.ids = {}, .tags = tags}));
  std::vector<Instance> instances;
  for (Ec2Instance& instance : found) instances.push_back(to_instance(std::move(instance)));
  return instances;
}

Result<std::string> AwsSite::console_output(const InstanceId& id) {
  return ec2_->console_output(id);
}

// The settings first, because they explain themselves better; then AWS itself, as far as it tells without
// doing it.
Result<Unproven> AwsSite::check_launch(const LaunchSpec& spec) {
  SettingsCheck checked = TRY(check_launch_settings({*ec2_, *kms_, *iam_}, spec));
  RunInstancesRequest request = launch_request(spec);
  const bool stands_in = spec.image_template.empty();
  if (stands_in) {
    const auto image = stand_in_image();
    if (!image.ok()) {
      checked.unproven.push_back(
          fmt::format("that AWS would launch it was not tried: {}", image.error().message()));
      return checked.unproven;
    }
    request.image = *image;
    request.devices.clear();  // which are of other disks than this image has
    request.client_token.clear();
  }
  const auto outcome = TRY(ec2_->run_instance(request, true));
  const auto* fault = std::get_if<AwsFault>(&outcome);
  if (fault == nullptr) return checked.unproven;
  if (stands_in && fault->code.starts_with("InvalidAMIID")) {
    checked.unproven.push_back(fmt::format(
        "that AWS would launch it was not tried: there is no image to try with, {} is gone", request.image));
    return checked.unproven;
  }
  return explain_launch_fault(*fault, spec, checked.place, ec2_->service());
}

// For a launch that is only tried: one of ours, which comes and goes, else one of AWS's.
Result<TemplateId> AwsSite::stand_in_image() {
  if (!options_.installation.empty()) {
    const auto ours = TRY(ec2_->images({.ids = {}, .tags = {{installation_tag, options_.installation}}}));
    for (const Ec2Image& image : ours) {
      if (image.state == "available") return image.id;
    }
  }
  const std::lock_guard lock(stand_in_mutex_);
  if (!public_image_.empty()) return public_image_;
  const auto found = TRY(ec2_->public_images(public_images));
  if (found.empty())
    return error(ErrorCode::not_found, "there is no image to try with, and AWS offers none named {}",
                 public_images);
  const auto newest = std::max_element(found.begin(), found.end(),
                                       [](const Ec2Image& a, const Ec2Image& b) { return a.name < b.name; });
  public_image_ = newest->id;
  return public_image_;
}

}  // namespace rekindle
