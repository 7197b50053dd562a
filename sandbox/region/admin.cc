#include "sandbox/region/admin.h"

#include "base/file.h"
#include "net/url.h"
#include "sandbox/region/ec2.h"
#include "sandbox/region/xml.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

template <typename T>
json rows(const State& state) {
  json list = json::array();
  for (const auto& [id, resource] : state.all<T>()) list.push_back(resource);
  return list;
}

// One EC2 call from inside, as a client would make it; the text of the first element of that name in the
// answer.
Result<std::string> call_ec2(Cloud& cloud, QueryParameters parameters, const char* element) {
  HttpRequest request;
  parameters.emplace_back("Version", "2016-11-15");
  request.body = to_bytes(as_bytes(encode_query(parameters)));
  const HttpResponse response = answer_ec2(cloud, request, {});
  pugi::xml_document document;
  if (response.status != 200 || !document.load_buffer(response.body.data(), response.body.size())) {
    return error(ErrorCode::internal, "{}", response.body_text());
  }
  return std::string(document.select_node((std::string("//") + element).c_str()).node().text().get());
}

using AccountSetter = Result<> (AccountSettings::*)(const json& body);
AccountSetter account_setter(std::string_view what) {
  if (what == "POST quotas") return &AccountSettings::set_quota;
  if (what == "POST keys") return &AccountSettings::put_key;
  if (what == "POST instance-profiles") return &AccountSettings::put_profile;
  return nullptr;
}

}  // namespace

HttpResponse Admin::answer(const HttpRequest& request) {
  const auto done = perform(request);
  if (done.ok()) return HttpResponse::text(200, "application/json", done->dump() + "\n");
  const int status = done.error().code() == ErrorCode::not_found ? 404 : 400;
  return HttpResponse::text(status, "application/json",
                            json{{"error", done.error().message()}}.dump() + "\n");
}

Result<json> Admin::perform(const HttpRequest& request) {
  const std::string what = request.method + " " + request.path.substr(prefix.size());
  if (what == "GET inventory") return inventory();
  if (what == "GET calls") return calls();
  if (what == "DELETE calls") {
    access_log_.clear();
    return json::object();
  }
  if (what == "DELETE faults") {
    cloud_.faults().clear();
    return json::object();
  }
  if (what == "POST faults") return change_faults(request);
  if (what.ends_with(" knobs")) return knobs(request);
  if (what == "POST roles") {
    const json body = json::parse(request.body_text(), nullptr, false);
    const Role role = TRY(role_from_json(body));
    TRY(roles_.put(role));
    return json::object();
  }
  if (auto set = account_setter(what)) {
    TRY((cloud_.account().*set)(json::parse(request.body_text(), nullptr, false)));
    return json::object();
  }
  if (what == "POST proxies") {
    const json body = json::parse(request.body_text(), nullptr, false);
    const bool named = body.is_object() && body.contains("name") && body["name"].is_string();
    if (!named) return error(ErrorCode::invalid_argument, "a proxy needs a name: {{\"name\": \"proxy-1\"}}");
    const auto proxy = TRY(register_proxy(body["name"]));
    return json{{"instance_id", proxy.instance_id}, {"attached", proxy.attached.string()}};
  }
  return error(ErrorCode::not_found, "there is no {} {}; see sandbox/region/region.h", request.method,
               request.path);
}

Result<json> Admin::change_faults(const HttpRequest& request) {
  const json body = json::parse(request.body_text(), nullptr, false);
  if (body.is_object() && body.contains("not_found_window_ms")) {
    if (!body["not_found_window_ms"].is_number_integer())
      return error(ErrorCode::invalid_argument, "not_found_window_ms is not a number");
    cloud_.faults().set_not_found_window(
        std::chrono::milliseconds(body["not_found_window_ms"].get<std::int64_t>()));
    return json::object();
  }
  FaultRule rule = TRY(fault_rule_from_json(body));
  cloud_.faults().add(std::move(rule));
  return json::object();
}

Result<json> Admin::knobs(const HttpRequest& request) {
  const std::lock_guard lock(cloud_.mutex());
  Knobs& knobs = cloud_.knobs();
  if (request.method == "DELETE") knobs = cloud_.options().knobs;
  if (request.method == "POST") TRY(turn(knobs, json::parse(request.body_text(), nullptr, false)));
  return to_json(knobs);
}

json Admin::calls() const {
  json all = json::object();
  for (const auto& [action, count] : access_log_.counts()) {
    all[action] = {{"calls", count.calls},
                   {"refused", count.refused},
                   {"request_bytes", count.request_bytes},
                   {"response_bytes", count.response_bytes}};
  }
  return all;
}

json Admin::inventory() {
  const std::lock_guard lock(cloud_.mutex());
  const State& state = cloud_.state();
  return {{"vpcs", rows<Vpc>(state)},
          {"subnets", rows<Subnet>(state)},
          {"security_groups", rows<SecurityGroup>(state)},
          {"volumes", rows<Volume>(state)},
          {"snapshots", rows<Snapshot>(state)},
          {"images", rows<Image>(state)},
          {"instances", rows<Instance>(state)},
          {"disk_usage_bytes", cloud_.layers().disk_usage_bytes()}};
}

Result<Region::Proxy> Admin::register_proxy(const std::string& name) {
  const std::lock_guard lock(cloud_.mutex());
  const auto attached = [&](const std::string& id) { return cloud_.options().directory / "attached" / id; };
  for (const auto& [id, instance] : cloud_.state().all<Instance>()) {
    const auto tag = instance.tags.find("Name");
    if (instance.proxy && instance.state == "running" && tag != instance.tags.end() && tag->second == name) {
      return Region::Proxy{id, attached(id)};
    }
  }
  Instance proxy = cloud_.make<Instance>();
  proxy.proxy = true;
  proxy.state = "running";
  proxy.instance_type = "rekindle.proxy";
  proxy.zone = cloud_.zone();
  proxy.architecture = "x86_64";
  proxy.reservation_id = "r-" + proxy.id.substr(2);
  proxy.launched_ms = proxy.created_ms;
  proxy.tags["Name"] = name;
  TRY(make_directories(attached(proxy.id)));
  cloud_.state().put(proxy);
  TRY(cloud_.state().commit());
  return Region::Proxy{proxy.id, attached(proxy.id)};
}

Result<Region::Network> Admin::make_network(const std::string& vpc_cidr, const std::string& subnet_cidr) {
  Region::Network network;
  network.vpc_id = TRY(call_ec2(cloud_, {{"Action", "CreateVpc"}, {"CidrBlock", vpc_cidr}}, "vpcId"));
  network.subnet_id = TRY(
      call_ec2(cloud_, {{"Action", "CreateSubnet"}, {"VpcId", network.vpc_id}, {"CidrBlock", subnet_cidr}},
               "subnetId"));
  network.security_group_id = TRY(call_ec2(cloud_,
                                           {{"Action", "CreateSecurityGroup"},
                                            {"GroupName", "http"},
                                            {"GroupDescription", "HTTP from everywhere"},
                                            {"VpcId", network.vpc_id}},
                                           "groupId"));
  TRY(call_ec2(cloud_,
               {{"Action", "AuthorizeSecurityGroupIngress"},
                {"GroupId", network.security_group_id},
                {"IpPermissions.1.IpProtocol", "tcp"},
                {"IpPermissions.1.FromPort", "80"},
                {"IpPermissions.1.ToPort", "80"},
                {"IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"}},
               "return"));
  return network;
}

Result<> Admin::terminate_everything() {
  const std::lock_guard lock(cloud_.mutex());
  std::vector<Instance> living;
  for (const auto& [id, instance] : cloud_.state().all<Instance>()) {
    if (instance.state != "terminated") living.push_back(instance);
  }
  for (Instance& instance : living) {
    instance.reason_code = "Client.UserInitiatedShutdown";
    TRY(cloud_.release_instance(std::move(instance)));
  }
  return cloud_.state().commit();
}

}  // namespace rekindle::sandbox
