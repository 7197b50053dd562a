#include "sandbox/region/region.h"

#include <thread>

#include "base/log.h"
#include "net/http_server.h"
#include "net/url.h"
#include "sandbox/region/admin.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/ebs_direct.h"
#include "sandbox/region/ec2.h"
#include "sandbox/region/guest_agents.h"
#include "sandbox/region/iam.h"
#include "sandbox/region/json_services.h"
#include "sandbox/region/metadata.h"
#include "sandbox/region/metadata_links.h"
#include "sandbox/region/role_access.h"
#include "sandbox/region/roles.h"
#include "sandbox/region/signature.h"
#include "sandbox/region/sts.h"

namespace rekindle::sandbox {

namespace {

constexpr auto tick_pause = std::chrono::milliseconds(20);

class LocalRegion final : public Region {
 public:
  LocalRegion(std::unique_ptr<Cloud> cloud, std::unique_ptr<Roles> roles)
      : cloud_(std::move(cloud)),
        roles_(std::move(roles)),
        ebs_(*cloud_),
        admin_(*cloud_, access_log_, *roles_) {}

  ~LocalRegion() override { server_.reset(); }

  Result<> listen() {
    const RegionOptions& options = cloud_->options();
    server_ = TRY(HttpServer::start({options.address, options.port, std::nullopt, 16 * mib},
                                    [this](const HttpRequest& request) { return handle(request); }));
    ticker_ = std::jthread([this](const std::stop_token& stop) { tick_until(stop); });
    links_ = std::make_unique<MetadataLinks>(
        *cloud_,
        [this](const std::string& id, const HttpRequest& request) { return answer_instance(id, request); });
    return {};
  }

  std::uint16_t port() const override { return server_->port(); }
  std::string endpoint() const override {
    return fmt::format("http://{}:{}", cloud_->options().address, port());
  }
  Faults& faults() override { return cloud_->faults(); }
  std::map<std::string, CallCount> calls() const override { return access_log_.counts(); }
  std::string inventory_json() override { return admin_.inventory().dump(2); }
  std::uint64_t disk_usage_bytes() const override { return cloud_->layers().disk_usage_bytes(); }
  Result<Proxy> register_proxy(const std::string& name) override { return admin_.register_proxy(name); }
  Result<Network> make_network(const std::string& vpc_cidr, const std::string& subnet_cidr) override {
    return admin_.make_network(vpc_cidr, subnet_cidr);
  }
  Result<> terminate_everything() override { return admin_.terminate_everything(); }

 private:
  void tick_until(const std::stop_token& stop) {
    SystemClock clock;
    while (clock.sleep(tick_pause, stop)) {
      const std::lock_guard lock(cloud_->mutex());
      if (auto ticked = cloud_->tick(); !ticked.ok())
        log::error("the local region: {}", ticked.error().message());
    }
  }

  static HttpResponse refusal_for(const std::string& service, const Refusal& refusal) {
    SystemRandom random;
    if (service == "ebs") return ebs_refusal(refusal);
    if (speaks_json(service)) return json_refusal(refusal);
    if (service == "iam") return iam_refusal(refusal, random.uuid());
    return service == "sts" ? sts_refusal(refusal, random.uuid()) : ec2_refusal(refusal, random.uuid());
  }

  static std::string action_of(const std::string& service, const HttpRequest& request) {
    if (speaks_json(service)) return json_action(request);
    return service == "ebs" ? ebs_route(request).action : query_action(request);
  }

  HttpResponse perform(const std::string& service, const HttpRequest& request,
                       const Faults::Verdict& verdict) {
    if (service == "ec2") return answer_ec2(*cloud_, request, verdict);
    if (service == "ebs") return ebs_.answer(request, ebs_route(request));
    if (service == "sts") return answer_sts(cloud_->options(), *roles_, request, cloud_->now_ms());
    if (service == "iam") return answer_iam(cloud_->options(), cloud_->account(), request);
    if (speaks_json(service)) return answer_json(*cloud_, service, request);
    return refusal_for(service,
                       {"NotImplemented",
                        fmt::format("The local region has no service '{}'; it has ec2, ebs, sts, iam, "
                                    "kms, servicequotas and ssm",
                                    service),
                        501});
  }

  HttpResponse handle_signed(const HttpRequest& request, const std::string& service,
                             const std::string& action) {
    const RegionOptions& options = cloud_->options();
    const Time now{std::chrono::milliseconds(cloud_->now_ms())};
    auto verified =
        verify_signature(request, {options.access_key, options.secret_key}, *roles_, options.name, now);
    if (!verified.ok())
      return refusal_for(service.empty() && request.raw_path != "/" ? "ebs" : service,
                         std::move(verified).error());
    if (auto allowed = check_role(*cloud_, *roles_, request, service, action); !allowed.ok())
      return refusal_for(service, std::move(allowed).error());
    const Faults::Verdict verdict = cloud_->faults().judge(action, is_dry_run(service, request));
    SystemClock().sleep(std::chrono::milliseconds(verdict.delay_ms));
    if (verdict.lose_request) return closed();
    if (verdict.refusal) return refusal_for(service, *verdict.refusal);
    HttpResponse response = perform(service, request, verdict);
    return verdict.lose_response ? closed() : response;
  }

  static bool is_dry_run(const std::string& service, const HttpRequest& request) {
    return service == "ec2" && as_text(request.body).find("DryRun=true") != std::string_view::npos;
  }

  static HttpResponse closed() {
    HttpResponse nothing;
    nothing.status = 0;
    return nothing;
  }

  HttpResponse answer_instance(const std::string& id, const HttpRequest& request) {
    if (request.path.starts_with(agents_prefix)) return answer_agent(*cloud_, *roles_, id, request);
    const auto metadata = metadata_of_instance(*cloud_, *roles_, id);
    if (!metadata) return HttpResponse::text(404, "text/plain", "");
    return answer_metadata(*metadata, cloud_->options(), *roles_, request, cloud_->now_ms());
  }

  HttpResponse handle(const HttpRequest& request) {
    if (request.raw_path.starts_with(Admin::prefix)) return admin_.answer(request);
    if (request.raw_path.starts_with(metadata_prefix))
      return answer_metadata(metadata_of_proxies(cloud_->options(), *roles_), cloud_->options(), *roles_,
                             request, cloud_->now_ms());
    const std::string service = claimed_service(request);
    const std::string action = action_of(service, request);
    HttpResponse response = handle_signed(request, service, action);
    access_log_.count(action.empty() ? "unknown" : action, response.status, request.body.size(),
                      response.body.size());
    if (response.status != 0 && !response.headers.has("x-amzn-RequestId")) {
      SystemRandom random;
      response.headers.set("x-amzn-RequestId", random.uuid());
    }
    log::debug("{} {} {}", service, action, response.status);
    return response;
  }

  std::unique_ptr<Cloud> cloud_;
  std::unique_ptr<Roles> roles_;
  AccessLog access_log_;
  EbsDirect ebs_;
  Admin admin_;
  std::unique_ptr<MetadataLinks> links_;
  std::jthread ticker_;
  // Last: its threads use all of the above.
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

Result<std::unique_ptr<Region>> Region::start(RegionOptions options) {
  auto cloud = TRY(Cloud::open(std::move(options)));
  auto roles = TRY(Roles::open(cloud->options().directory, cloud->options().secret_key));
  auto region = std::make_unique<LocalRegion>(std::move(cloud), std::move(roles));
  TRY(region->listen());
  return std::unique_ptr<Region>(std::move(region));
}

}  // namespace rekindle::sandbox
