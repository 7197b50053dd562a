#include "base/file.h"
#include "net/curl_transport.h"
#include "net/url.h"
#include "sandbox/datacenter/admin_server.h"
#include "sandbox/datacenter/datacenter.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

ErrorCode code_of(const std::string& name) {
  for (const ErrorCode code : {ErrorCode::invalid_argument, ErrorCode::not_found, ErrorCode::already_exists,
                               ErrorCode::failed_precondition, ErrorCode::unavailable, ErrorCode::exhausted,
                               ErrorCode::unauthenticated}) {
    if (to_string(code) == name) return code;
  }
  return ErrorCode::internal;
}

}  // namespace

Result<DatacenterClient> DatacenterClient::connect(const std::filesystem::path& directory) {
  const auto text = read_text_file(directory / "datacenter.json");
  const json description = text.ok() ? json::parse(*text, nullptr, false) : json();
  if (!description.is_object()) {
    return error(ErrorCode::not_found, "there is no local datacenter in {}", directory.string());
  }
  DatacenterClient client;
  client.url_ = description.value("url", "");
  client.thumbprint_ = description.value("thumbprint", "");
  const Url url = TRY(parse_url(client.url_));
  client.admin_url_ = url.origin() + std::string(admin_path);
  TRY(client.machines());
  return client;
}

DatacenterClient DatacenterClient::at(const std::string& host, std::uint16_t port,
                                      const std::string& thumbprint) {
  DatacenterClient client;
  const std::string origin = fmt::format("https://{}:{}", host, port);
  client.url_ = origin + "/sdk";
  client.admin_url_ = origin + std::string(admin_path);
  client.thumbprint_ = thumbprint;
  return client;
}

Result<json> DatacenterClient::send(const std::string& method, const std::string& path,
                                    const json& body) const {
  CurlTransport transport({TlsTrust::Kind::thumbprint, thumbprint_});
  HttpRequest request;
  request.method = method;
  request.url = admin_url_ + path;
  if (!body.is_null()) request.body = to_bytes(as_bytes(body.dump()));
  request.timeout = std::chrono::minutes(5);
  const HttpResponse response = TRY(transport.send(request), "the local datacenter");
  const json answer = json::parse(response.body_text(), nullptr, false);
  if (response.status == 200 && !answer.is_discarded()) return answer;
  if (!answer.is_object())
    return error(ErrorCode::internal, "the local datacenter answers with {}", response.status);
  return error(code_of(answer.value("code", "")), "{}", answer.value("error", "it does not say why"));
}

Result<json> DatacenterClient::add_machine(const MachineSpec& spec) const {
  return send("POST", "machines", to_json(spec));
}
Result<json> DatacenterClient::machines() const {
  return send("GET", "machines");
}
Result<> DatacenterClient::delete_machine(const std::string& name) const {
  TRY(send("POST", "machines/" + percent_encode(name) + "/delete", json::object()));
  return {};
}
Result<> DatacenterClient::reset_change_tracking(const std::string& name) const {
  TRY(send("POST", "machines/" + percent_encode(name) + "/reset-change-tracking", json::object()));
  return {};
}
Result<> DatacenterClient::open_disk(const DiskRequest& request) const {
  TRY(send("POST", "disks/open", request.to_json()));
  return {};
}
Result<> DatacenterClient::close_disk(const DiskRequest& request) const {
  TRY(send("POST", "disks/close", request.to_json()));
  return {};
}
Result<> DatacenterClient::set_faults(const json& faults) const {
  TRY(send("POST", "faults", faults));
  return {};
}
Result<> DatacenterClient::disaster() const {
  TRY(send("POST", "disaster", json::object()));
  return {};
}

}  // namespace rekindle::sandbox
