#include "sandbox/datacenter/admin_server.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

Result<MachineSpec> spec_from(const json& from) {
  try {
    MachineSpec spec;
    spec.name = from.at("name").get<std::string>();
    spec.guest_directory = from.value("guest_directory", std::string());
    spec.empty_disks_bytes = from.value("empty_disks_bytes", std::vector<std::uint64_t>());
    spec.start = from.value("start", spec.start);
    spec.run_cpus = from.value("run_cpus", spec.run_cpus);
    spec.use_saved_state = from.value("use_saved_state", spec.use_saved_state);
    return spec;
  } catch (const json::exception& failure) {
    return error(ErrorCode::invalid_argument, "a machine is described wrongly: {}", failure.what());
  }
}

DiskRequest disk_from(const json& from) {
  return {from.value("user", ""), from.value("password", ""), from.value("machine", ""),
          from.value("file", ""), from.value("socket", ""),   from.value("client", 0)};
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::already_exists:
    case ErrorCode::failed_precondition:
      return 409;
    default:
      return 500;
  }
}

HttpResponse json_response(int status, const json& body) {
  return HttpResponse::text(status, "application/json", body.dump() + "\n");
}

json none(const Result<>&) {
  return json::object();
}

template <typename T, typename ToJson>
Result<json> in_json(const Result<T>& result, ToJson&& to_json_of) {
  if (!result.ok()) return result.error();
  return to_json_of(result);
}

Result<json> act_on_machine(const std::string& name, std::string_view verb, const json& body,
                            Datacenter& datacenter) {
  if (verb == "delete") return in_json(datacenter.delete_machine(name), none);
  if (verb == "reset-change-tracking") return in_json(datacenter.reset_change_tracking(name), none);
  if (verb == "monitor") {
    return in_json(datacenter.monitor(name, body.value("command_line", "")),
                   [](const auto& said) { return json{{"said", *said}}; });
  }
  return error(ErrorCode::not_found, "there is nothing called '{}' to do to a machine", verb);
}

Result<json> get(std::string_view what, Datacenter& datacenter, const Trouble& trouble) {
  if (what == "faults") return trouble.to_json();
  if (what != "machines") return error(ErrorCode::not_found, "there is no '{}' here", what);
  json list = json::array();
  for (const MachineStatus& machine : datacenter.machines()) list.push_back(machine.to_json());
  return list;
}

Result<json> post(std::string_view what, const json& body, Datacenter& datacenter) {
  if (what == "faults") return in_json(datacenter.set_faults(body), none);
  if (what == "disaster") return in_json(datacenter.disaster(), none);
  if (what == "machines") {
    const MachineSpec spec = TRY(spec_from(body));
    return in_json(datacenter.add_machine(spec), [](const auto& status) { return status->to_json(); });
  }
  if (what == "disks/open") return in_json(datacenter.open_disk(disk_from(body)), none);
  if (what == "disks/close") return in_json(datacenter.close_disk(disk_from(body)), none);
  constexpr std::string_view machines = "machines/";
  const auto slash = what.rfind('/');
  if (!what.starts_with(machines) || slash < machines.size()) {
    return error(ErrorCode::not_found, "there is no '{}' here", what);
  }
  return act_on_machine(std::string(what.substr(machines.size(), slash - machines.size())),
                        what.substr(slash + 1), body, datacenter);
}

}  // namespace

json to_json(const MachineSpec& spec) {
  return {{"name", spec.name},
          {"guest_directory", spec.guest_directory.string()},
          {"empty_disks_bytes", spec.empty_disks_bytes},
          {"start", spec.start},
          {"run_cpus", spec.run_cpus},
          {"use_saved_state", spec.use_saved_state}};
}

HttpResponse handle_admin(const HttpRequest& request, Datacenter& datacenter, const Trouble& trouble) {
  if (!request.remote_address.starts_with("127.") && request.remote_address != "::1") {
    return json_response(403, {{"error", "only from this host"}});
  }
  const std::string_view what = std::string_view(request.path).substr(admin_path.size());
  json body = json::object();
  if (!request.body.empty()) body = json::parse(request.body_text(), nullptr, false);
  Result<json> answer = json();
  if (!body.is_object()) {
    answer = error(ErrorCode::invalid_argument, "the body is not a JSON object");
  } else if (request.method == "GET") {
    answer = get(what, datacenter, trouble);
  } else {
    answer = post(what, body, datacenter);
  }
  if (answer.ok()) return json_response(200, *answer);
  return json_response(status_of(answer.error().code()),
                       {{"error", answer.error().message()}, {"code", to_string(answer.error().code())}});
}

}  // namespace rekindle::sandbox
