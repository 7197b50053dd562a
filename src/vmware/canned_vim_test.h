// A vSphere server in a few lines, for what no simulator can be told to do: faults, locks, contradictions,
// lost answers, disks. It answers on one thread or many; the test sets it up before.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/url.h"
#include "vmware/vsphere_site.h"
#include "vmware/xml.h"

namespace rekindle {

class CannedVim final : public HttpTransport {
 public:
  using Answer = std::function<HttpResponse(const XmlElement& call)>;

  // --- what a test says of the server ---
  // Attributes of the server's objects as the API tells them: property("vm-1", "name", R"(<val ...>)").
  std::map<std::string, std::map<std::string, std::string>> properties;
  std::map<std::string, std::string> types;                // "vm-1" -> "VirtualMachine"
  std::map<std::string, Answer> methods;                   // before the built-in answers
  std::map<std::string, std::string> files;                // "[ds] web/web.vmdk"
  std::function<HttpResponse(const HttpRequest&)> folder;  // before files

  // --- what it saw ---
  std::vector<std::string> calls;  // method names
  std::vector<std::string> bodies;
  int count(std::string_view method) const { return static_cast<int>(std::ranges::count(calls, method)); }

  // --- answers ---
  static HttpResponse soap(int status, const std::string& body) {
    return HttpResponse::text(
        status, "text/xml",
        R"(<?xml version="1.0"?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" )"
        R"(xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><S:Body>)" +
            body + "</S:Body></S:Envelope>");
  }
  static HttpResponse returns(std::string_view method, const std::string& values) {
    return soap(200, fmt::format("<{0}Response xmlns=\"urn:vim25\">{1}</{0}Response>", method, values));
  }
  static HttpResponse fault(std::string_view type, std::string_view message = "",
                            std::string_view fields = "") {
    return soap(
        500,
        fmt::format("<S:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{1}</faultstring><detail>"
                    "<{0}Fault xmlns=\"urn:vim25\" i:type=\"{0}\">{2}</{0}Fault></detail></S:Fault>",
                    type, message, fields));
  }
  // The outcome that tasks end with: success, with a reference as result if one is given.
  static std::string task_success(const std::string& snapshot = "") {
    std::string changes = change("info.state", "<val i:type=\"TaskInfoState\">success</val>");
    if (!snapshot.empty()) {
      changes +=
          change("info.result", "<val i:type=\"ManagedObjectReference\" type=\"VirtualMachineSnapshot\">" +
                                    snapshot + "</val>");
    }
    return changes;
  }
  static std::string task_error(std::string_view type, std::string_view message) {
    return change("info.state", "<val i:type=\"TaskInfoState\">error</val>") +
           change("info.error", fmt::format("<val i:type=\"LocalizedMethodFault\"><fault i:type=\"{}\"/>"
                                            "<localizedMessage>{}</localizedMessage></val>",
                                            type, message));
  }
  // Outcomes of the tasks to come, in order; when they are used up, tasks succeed.
  std::vector<std::string> task_outcomes;

  Result<HttpResponse> send(const HttpRequest& request) override {
    if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    const std::lock_guard lock(mutex_);
    const Url url = parse_url(request.url).value();
    if (url.path == "/sdk/vimServiceVersions.xml") return HttpResponse::text(404, "text/plain", "");
    if (url.path.starts_with("/folder/")) return download(request, url);
    const auto document = XmlDocument::parse(request.body_text()).value();
    const XmlElement call = document->root().child_of(soap_namespace, "Body").children().front();
    calls.emplace_back(call.name());
    bodies.emplace_back(request.body_text());
    if (const auto own = methods.find(calls.back()); own != methods.end()) {
      HttpResponse answer = own->second(call);
      if (answer.status == 0) return Error(ErrorCode::unavailable, "connection reset");
      if (answer.status != 100) return answer;  // 100: as usual
    }
    return usual(call);
  }

 private:
  static std::string change(std::string_view name, const std::string& value) {
    return fmt::format("<changeSet><name>{}</name><op>assign</op>{}</changeSet>", name, value);
  }

  HttpResponse usual(const XmlElement& call) {
    const std::string method(call.name());
    if (method == "RetrieveServiceContent") {
      return returns(
          method,
          "<returnval><rootFolder type=\"Folder\">root-1</rootFolder><propertyCollector "
          "type=\"PropertyCollector\">pc-1</propertyCollector><viewManager type=\"ViewManager\">view-1"
          "</viewManager><about><name>Canned</name><version>8.0.1</version><apiType>VirtualCenter</apiType>"
          "</about><sessionManager type=\"SessionManager\">sm-1</sessionManager></returnval>");
    }
    if (method == "Login") {
      HttpResponse answer = returns(method, "<returnval><key>k</key></returnval>");
      answer.headers.add("Set-Cookie",
                         fmt::format("vmware_soap_session=\"s{}\"; Path=/; HttpOnly", ++sessions_));
      return answer;
    }
    if (method == "RetrievePropertiesEx") return read(call);
    if (method == "WaitForUpdatesEx") return updates();
    if (method == "CreateContainerView")
      return returns(method, "<returnval type=\"ContainerView\">v-1</returnval>");
    if (method == "CreatePropertyCollector") {
      return returns(method, "<returnval type=\"PropertyCollector\">pc-2</returnval>");
    }
    if (method.ends_with("_Task")) return returns(method, "<returnval type=\"Task\">task-1</returnval>");
    return returns(method, "");
  }

  HttpResponse updates() {
    std::string outcome = task_success();
    if (!task_outcomes.empty()) {
      outcome = task_outcomes.front();
      task_outcomes.erase(task_outcomes.begin());
    }
    return returns(
        "WaitForUpdatesEx",
        "<returnval><version>1</version><filterSet><filter type=\"PropertyFilter\">f-1</filter><objectSet>"
        "<kind>enter</kind><obj type=\"Task\">task-1</obj>" +
            outcome + "</objectSet></filterSet></returnval>");
  }

  HttpResponse read(const XmlElement& call) {
    const XmlElement spec = call.child("specSet");
    const std::string type = spec.at("propSet.type").text();
    const std::string one = spec.at("objectSet.obj").text();
    const bool whole_view = spec.at("objectSet.obj").reference_type() == "ContainerView";
    if (!whole_view && !properties.contains(one)) return fault("ManagedObjectNotFound", "it is gone");
    std::string objects;
    for (const auto& [object, values] : properties) {
      if (whole_view ? types[object] != type : object != one) continue;
      objects += fmt::format("<objects><obj type=\"{}\">{}</obj>", type, object);
      for (const XmlElement& path : spec.child("propSet").children("pathSet")) {
        const auto value = values.find(path.text());
        if (value == values.end()) continue;
        objects += fmt::format("<propSet><name>{}</name>{}</propSet>", path.text(), value->second);
      }
      objects += "</objects>";
    }
    return returns("RetrievePropertiesEx", "<returnval>" + objects + "</returnval>");
  }

  HttpResponse download(const HttpRequest& request, const Url& url) {
    if (folder) {
      HttpResponse answer = folder(request);
      if (answer.status != 100) return answer;
    }
    std::string datastore;
    for (const auto& [name, value] : parse_query(url.query)) {
      if (name == "dsName") datastore = value;
    }
    const auto file = files.find(fmt::format("[{}] {}", datastore, percent_decode(url.path.substr(8))));
    if (file == files.end()) return HttpResponse::text(404, "text/plain", "");
    const std::string range(request.headers.get("Range"));
    if (range.empty()) return HttpResponse::text(200, "application/octet-stream", file->second);
    const auto dash = range.find('-');
    const std::size_t first = std::stoull(range.substr(6, dash - 6));
    const std::size_t last = std::stoull(range.substr(dash + 1));
    if (last >= file->second.size()) return HttpResponse::text(416, "text/plain", "");
    HttpResponse answer =
        HttpResponse::text(206, "application/octet-stream", file->second.substr(first, last - first + 1));
    answer.headers.add("Content-Range", fmt::format("bytes {}-{}/{}", first, last, file->second.size()));
    return answer;
  }

  std::mutex mutex_;
  int sessions_ = 0;
};

// What a site is connected with, at such a server.
inline VsphereOptions canned_options() {
  VsphereOptions options;
  options.url = "https://vc";
  options.user = "u";
  options.password = "p";
  options.retry = {.attempts = 3, .first_pause = std::chrono::milliseconds(1)};
  options.busy_retry = options.retry;
  return options;
}

// <val> of a property.
inline std::string text_value(std::string_view text) {
  return fmt::format("<val i:type=\"xsd:string\">{}</val>", xml_escape(text));
}

}  // namespace rekindle
