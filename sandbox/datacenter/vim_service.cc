#include "sandbox/datacenter/vim_service.h"

#include <algorithm>

#include "sandbox/datacenter/vim_machine.h"
#include "sandbox/datacenter/vim_types.h"

namespace rekindle::sandbox {

namespace {

constexpr std::string_view cookie_name = "vmware_soap_session=";

Fault method_not_found(const VimCall& call) {
  return {
      "MethodNotFound",
      fmt::format("{}:{} does not implement: {}", call.self.type, call.self.id, call.method),
      {{"receiver", to_value(call.self), false}, {"method", primitive("xsd:string", call.method), false}}};
}

}  // namespace

std::shared_ptr<VimSession> session_of(const HttpRequest& request, VimSessions& sessions) {
  const std::string_view cookies = request.headers.get("Cookie");
  const auto start = cookies.find(cookie_name);
  if (start == std::string_view::npos) return nullptr;
  std::string_view key = cookies.substr(start + cookie_name.size());
  key = key.substr(0, key.find(';'));
  if (key.starts_with('"') && key.ends_with('"') && key.size() > 1) key = key.substr(1, key.size() - 2);
  return sessions.find(std::string(key));
}

VimService::VimService(Host& host, VimTasks& tasks, VimSessions& sessions, Trouble& trouble,
                       std::size_t areas_per_reply)
    : host_(host),
      tasks_(tasks),
      sessions_(sessions),
      trouble_(trouble),
      inventory_(host, tasks),
      properties_(inventory_, host.changes()),
      machines_(host, tasks, trouble, areas_per_reply),
      folders_(host, tasks) {
  add_session_methods();
  add_property_methods();
  add_view_methods();
  add_machine_methods();
}

void VimService::add(std::string name, std::string type, std::vector<std::string> parameters,
                     std::function<VimAnswer(const VimCall&)> call, bool needs_login) {
  methods_.emplace(std::move(name),
                   Method{std::move(type), std::move(parameters), std::move(call), needs_login});
}

void VimService::add_session_methods() {
  add(
      "RetrieveServiceContent", "ServiceInstance", {}, [](const VimCall&) { return service_content(); },
      false);
  add("CurrentTime", "ServiceInstance", {},
      [](const VimCall&) { return primitive("xsd:dateTime", to_iso8601(SystemClock().now())); });
  add(
      "Login", "SessionManager", {"userName", "password", "locale"},
      [this](const VimCall& call) { return login(call); }, false);
  add("Logout", "SessionManager", {}, [this](const VimCall& call) { return logout(call); });
  add("SessionIsActive", "SessionManager", {"sessionID", "userName"}, [this](const VimCall& call) {
    return primitive("xsd:boolean", sessions_.find(child_text(call.body, "sessionID")) ? "true" : "false");
  });
}

void VimService::add_property_methods() {
  const auto with = [this](VimAnswer (VimProperties::*method)(const VimCall&) const) {
    return [this, method](const VimCall& call) { return (properties_.*method)(call); };
  };
  const char* collector = "PropertyCollector";
  add("RetrieveProperties", collector, {"specSet"}, with(&VimProperties::retrieve), false);
  add("RetrievePropertiesEx", collector, {"specSet", "options"}, with(&VimProperties::retrieve_ex), false);
  add("ContinueRetrievePropertiesEx", collector, {"token"}, with(&VimProperties::continue_retrieve));
  add("CancelRetrievePropertiesEx", collector, {"token"}, with(&VimProperties::cancel_retrieve));
  add("CreatePropertyCollector", collector, {}, with(&VimProperties::create_collector));
  add("DestroyPropertyCollector", collector, {}, with(&VimProperties::destroy_collector));
  add("CreateFilter", collector, {"spec", "partialUpdates"}, with(&VimProperties::create_filter));
  add("DestroyPropertyFilter", "PropertyFilter", {}, with(&VimProperties::destroy_filter));
  add("WaitForUpdatesEx", collector, {"version", "options"}, with(&VimProperties::wait_for_updates));
  add("WaitForUpdates", collector, {"version"}, with(&VimProperties::wait_for_updates));
  add("CheckForUpdates", collector, {"version"}, with(&VimProperties::wait_for_updates));
  add("CancelWaitForUpdates", collector, {}, with(&VimProperties::cancel_wait));
}

void VimService::add_view_methods() {
  add("CreateContainerView", "ViewManager", {"container", "type", "recursive"},
      [this](const VimCall& call) { return create_container_view(call); });
  add("CreateListView", "ViewManager", {"obj"},
      [this](const VimCall& call) { return create_list_view(call); });
  add("DestroyView", "View", {}, [this](const VimCall& call) { return destroy_view(call); });
  add("FindByUuid", "SearchIndex", {"datacenter", "uuid", "vmSearch", "instanceUuid"},
      [this](const VimCall& call) { return find_by_uuid(call); });
  add("FindByInventoryPath", "SearchIndex", {"inventoryPath"},
      [this](const VimCall& call) { return find_by_inventory_path(call); });
  add("CancelTask", "Task", {}, [this](const VimCall& call) { return cancel_task(call); });
}

void VimService::add_machine_methods() {
  const auto with = [this](VimAnswer (VimMachineMethods::*method)(const VimCall&)) {
    return [this, method](const VimCall& call) { return (machines_.*method)(call); };
  };
  const char* machine = "VirtualMachine";
  add("ReconfigVM_Task", machine, {"spec"}, with(&VimMachineMethods::reconfigure));
  add("PowerOnVM_Task", machine, {"host"}, with(&VimMachineMethods::power_on));
  add("PowerOffVM_Task", machine, {}, with(&VimMachineMethods::power_off));
  add("SuspendVM_Task", machine, {}, with(&VimMachineMethods::suspend));
  add("ShutdownGuest", machine, {}, with(&VimMachineMethods::shut_down_guest));
  add("CreateSnapshot_Task", machine, {"name", "description", "memory", "quiesce"},
      with(&VimMachineMethods::create_snapshot));
  add("RemoveSnapshot_Task", "VirtualMachineSnapshot", {"removeChildren", "consolidate"},
      with(&VimMachineMethods::remove_snapshot));
  add("RemoveAllSnapshots_Task", machine, {"consolidate"}, with(&VimMachineMethods::remove_all_snapshots));
  add("ConsolidateVMDisks_Task", machine, {}, with(&VimMachineMethods::consolidate));
  add("QueryChangedDiskAreas", machine, {"snapshot", "deviceKey", "startOffset", "changeId"},
      with(&VimMachineMethods::changed_areas));
  add("CreateVM_Task", "Folder", {"config", "pool", "host"},
      [this](const VimCall& call) { return folders_.create_machine(call); });
  add("UnregisterVM", machine, {}, with(&VimMachineMethods::unregister));
  add("Destroy_Task", machine, {}, with(&VimMachineMethods::destroy));
}

VimAnswer VimService::dispatch(const VimCall& call) {
  const auto method = methods_.find(call.method);
  if (method == methods_.end()) return method_not_found(call);
  const bool a_view = method->second.type == "View";
  if (call.self.type != method->second.type && !(a_view && is_a(call.self.type, "View")))
    return method_not_found(call);
  if (auto fault = misplaced_element(call.body, method->second.parameters)) return *std::move(fault);
  if (!call.session && method->second.needs_login) return not_authenticated(call.self);
  if (call.session && call.self.type == "PropertyCollector" && !properties_.has_collector(call)) {
    return managed_object_not_found(call.self);
  }
  return method->second.call(call);
}

HttpResponse VimService::handle(const HttpRequest& request) {
  auto parsed = parse_call(request.body_text());
  if (!parsed.ok()) return soap_fault({"InvalidRequest", parsed.error().message(), {}});
  VimCall call{*std::move(parsed), session_of(request, sessions_), request.remote_address,
               std::string(request.headers.get("User-Agent"))};
  if (trouble_.fails(call.method)) return HttpResponse::text(503, "text/plain", "Service Unavailable\n");
  if (call.session && trouble_.ends_session()) {
    sessions_.close(call.session->key);
    call.session = nullptr;
  }
  const VimAnswer answer = dispatch(call);
  if (trouble_.loses_response(call.method)) {
    HttpResponse nothing;
    nothing.status = 0;
    return nothing;
  }
  if (answer.fault) return soap_fault(*answer.fault);
  HttpResponse response = soap_response(call.method, answer.inside);
  if (!answer.cookie.empty()) {
    response.headers.add("Set-Cookie",
                         fmt::format("{}\"{}\"; Path=/; HttpOnly; Secure;", cookie_name, answer.cookie));
  }
  return response;
}

HttpResponse VimService::service_versions() {
  return HttpResponse::text(
      200, "text/xml",
      "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<namespaces version=\"1.0\">\n <namespace>\n"
      "  <name>urn:vim25</name>\n  <version>6.7</version>\n  <priorVersions>\n   <version>6.5</version>\n"
      "   <version>6.0</version>\n   <version>5.5</version>\n  </priorVersions>\n "
      "</namespace>\n</namespaces>\n");
}

VimAnswer VimService::login(const VimCall& call) {
  const std::string user = child_text(call.body, "userName");
  if (!sessions_.knows(user, child_text(call.body, "password"))) {
    return Fault{"InvalidLogin", "Cannot complete login due to an incorrect user name or password.", {}};
  }
  if (call.session) return Fault{"InvalidState", "The operation is not allowed in the current state.", {}};
  const auto session = sessions_.open(user, call.remote_address, call.user_agent);
  VimAnswer answer(to_user_session(*session));
  answer.cookie = session->key;
  return answer;
}

VimAnswer VimService::logout(const VimCall& call) {
  sessions_.close(call.session->key);
  return {};
}

VimAnswer VimService::create_container_view(const VimCall& call) {
  VimView view;
  view.container = reference_of(child(call.body, "container"));
  if (!inventory_.object_of(view.container, nullptr)) return managed_object_not_found(view.container);
  for (const pugi::xml_node& type : children(call.body, "type")) view.types.emplace_back(type.child_value());
  view.recursive = child_flag(call.body, "recursive");
  const std::lock_guard lock(call.session->mutex);
  view.reference = {"ContainerView", call.session->new_id()};
  call.session->views[view.reference.id] = view;
  return to_value(view.reference);
}

VimAnswer VimService::create_list_view(const VimCall& call) {
  VimView view;
  for (const pugi::xml_node& node : children(call.body, "obj")) {
    const Reference reference = reference_of(node);
    if (!inventory_.object_of(reference, call.session.get())) return managed_object_not_found(reference);
    view.list.push_back(reference);
  }
  const std::lock_guard lock(call.session->mutex);
  view.reference = {"ListView", call.session->new_id()};
  call.session->views[view.reference.id] = view;
  return to_value(view.reference);
}

VimAnswer VimService::destroy_view(const VimCall& call) {
  const std::lock_guard lock(call.session->mutex);
  if (call.session->views.erase(call.self.id) == 0) return managed_object_not_found(call.self);
  return {};
}

VimAnswer VimService::find_by_uuid(const VimCall& call) {
  const std::string uuid = child_text(call.body, "uuid");
  const bool instance = child_flag(call.body, "instanceUuid");
  if (!child_flag(call.body, "vmSearch")) return {};
  for (const auto& machine : host_.machines()) {
    const MachineRecord record = machine->record();
    if ((instance ? record.instance_uuid : record.uuid) == uuid)
      return to_value({"VirtualMachine", record.id()});
  }
  return {};
}

// "ha-datacenter/vm/web", with or without a slash in front.
VimAnswer VimService::find_by_inventory_path(const VimCall& call) {
  std::string rest = child_text(call.body, "inventoryPath");
  Reference at{"Folder", "ha-folder-root"};
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const std::string name = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
    if (name.empty()) continue;
    const auto inside = inventory_.contained(at, {}, false);
    const auto next = std::find_if(inside.begin(), inside.end(), [&](const Reference& candidate) {
      const auto value = inventory_.object_of(candidate, nullptr);
      return value && value->find("name")->text == name;
    });
    if (next == inside.end()) return {};
    at = *next;
  }
  return to_value(at);
}

VimAnswer VimService::cancel_task(const VimCall& call) {
  if (!tasks_.object_of(call.self.id)) return managed_object_not_found(call.self);
  return tasks_.cancel(call.self.id);
}

}  // namespace rekindle::sandbox
