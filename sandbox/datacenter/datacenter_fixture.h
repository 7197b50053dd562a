// For tests: a served datacenter with one VM, "web", whose CPUs stand still; and a client that writes its
// calls by hand, so that what is on the wire is visible in the test.
#pragma once

#include <gtest/gtest.h>

#include <thread>

#include <pugixml.hpp>

#include "base/file.h"
#include "base/process.h"
#include "net/curl_transport.h"
#include "sandbox/datacenter/datacenter.h"
#include "sandbox/datacenter/soap.h"

namespace rekindle::sandbox {

class DatacenterFixture : public testing::Test {
 protected:
  static constexpr std::uint64_t capacity = 64 * mib;

  void SetUp() override {
    options_.directory = folder_.path();
    options_.password = "secret";
    options_.areas_per_reply = 2;
    restart_server();
    const auto added = datacenter_->add_machine({"web", {}, {capacity}, true, false, false});
    ASSERT_TRUE(added.ok()) << added.error().message();
  }
  void TearDown() override {
    datacenter_.reset();
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "vms"))
      kill_machine(entry.path());
  }
  static void kill_machine(const std::filesystem::path& state) {
    const auto text = read_text_file(state / "machine.json");
    if (!text.ok()) return;
    const auto record = nlohmann::json::parse(*text);
    for (const auto& open : record["open_disks"]) {
      const pid_t server = open["server"];
      if (process_lives(server, state.string())) kill_process(server);
    }
    const pid_t pid = record["pid"];
    if (process_lives(pid, state.string())) kill_process(pid);
  }

  void restart_server() {
    datacenter_.reset();
    auto started = Datacenter::start(options_);
    ASSERT_TRUE(started.ok()) << started.error().message();
    datacenter_ = *std::move(started);
    transport_ =
        std::make_unique<CurlTransport>(TlsTrust{TlsTrust::Kind::thumbprint, datacenter_->thumbprint()});
    cookie_.clear();
  }

  Result<HttpResponse> send(const std::string& method, const std::string& path, HttpHeaders headers = {},
                            const std::string& body = "") {
    HttpRequest request;
    request.method = method;
    request.url = fmt::format("https://127.0.0.1:{}{}", datacenter_->port(), path);
    request.headers = std::move(headers);
    if (!cookie_.empty()) request.headers.add("Cookie", cookie_);
    request.body = to_bytes(as_bytes(body));
    return transport_->send(request);
  }

  // The answer as text: status, then body; "" when the connection was closed without one.
  std::string call(const std::string& method, const Reference& self, const std::string& parameters = "") {
    const std::string body = fmt::format(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><{0} xmlns=\"urn:vim25\">"
        "<_this type=\"{1}\">{2}</_this>{3}</{0}></e:Body></e:Envelope>",
        method, self.type, self.id, parameters);
    const auto answer = send("POST", "/sdk", {{"SOAPAction", "urn:vim25/6.7"}}, body);
    if (!answer.ok()) return "";
    if (const auto set = answer->headers.get("Set-Cookie"); !set.empty())
      cookie_ = set.substr(0, set.find(';'));
    return fmt::format("{} {}", answer->status, answer->body_text());
  }
  std::string call_machine(const std::string& method, const std::string& parameters = "") {
    return call(method, {"VirtualMachine", "1"}, parameters);
  }
  std::string log_in(const std::string& password = "secret") {
    return call("Login", {"SessionManager", "ha-sessionmgr"},
                "<userName>root</userName><password>" + password + "</password>");
  }

  // The text between the first <name ...> and its end; "" if there is none.
  static std::string element(const std::string& xml, const std::string& name) {
    auto open = xml.find("<" + name + ">");
    if (open == std::string::npos) open = xml.find("<" + name + " ");
    const auto start = xml.find('>', open);
    const auto end = xml.find("</" + name + ">", start);
    if (open == std::string::npos || end == std::string::npos) return "";
    return xml.substr(start + 1, end - start - 1);
  }
  static std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  }

  std::string get(const Reference& object, const std::string& path) {
    return call("RetrievePropertiesEx", {"PropertyCollector", "ha-property-collector"},
                fmt::format("<specSet><propSet><type>{0}</type><pathSet>{2}</pathSet></propSet><objectSet>"
                            "<obj type=\"{0}\">{1}</obj></objectSet></specSet><options/>",
                            object.type, object.id, path));
  }
  std::string get_machine(const std::string& path) { return get({"VirtualMachine", "1"}, path); }

  // Waits for the end of the task that the call returns; the task's info, or the answer if it is no task.
  std::string finish(const std::string& answer) {
    const std::string task = element(answer, "returnval");
    if (task.empty()) return answer;
    for (int i = 0; i < 2000; ++i) {
      const std::string info = get({"Task", task}, "info");
      const std::string state = element(info, "state");
      if (state == "success" || state == "error") return info;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return "the task does not end";
  }
  void enable_tracking() {
    const std::string info = finish(
        call_machine("ReconfigVM_Task", "<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>"));
    ASSERT_EQ(element(info, "state"), "success") << info;
  }
  // The new snapshot's id.
  std::string snapshot() {
    const std::string info = finish(call_machine(
        "CreateSnapshot_Task",
        "<name>dr</name><description>d</description><memory>false</memory><quiesce>false</quiesce>"));
    EXPECT_EQ(element(info, "state"), "success") << info;
    return element(info, "result");
  }
  std::string remove(const std::string& snapshot_id) {
    return finish(call("RemoveSnapshot_Task", {"VirtualMachineSnapshot", snapshot_id},
                       "<removeChildren>false</removeChildren><consolidate>true</consolidate>"));
  }
  std::string changed(const std::string& snapshot_id, const std::string& change_id, std::uint64_t offset = 0,
                      int key = 2000) {
    return call_machine(
        "QueryChangedDiskAreas",
        fmt::format("<snapshot type=\"VirtualMachineSnapshot\">{}</snapshot><deviceKey>{}</deviceKey>"
                    "<startOffset>{}</startOffset><changeId>{}</changeId>",
                    snapshot_id, key, offset, change_id));
  }
  std::string change_id(const std::string& snapshot_id) {
    return element(get({"VirtualMachineSnapshot", snapshot_id}, "config.hardware.device"), "changeId");
  }
  void guest_writes(int pattern, int at_mib) {
    const auto said =
        datacenter_->monitor("web", fmt::format("qemu-io -d disk0 \"write -P {} {}M 64k\"", pattern, at_mib));
    ASSERT_TRUE(said.ok()) << said.error().message();
    ASSERT_EQ(*said, "");
  }
  Result<HttpResponse> download(const std::string& file, HttpHeaders headers = {},
                                const std::string& method = "GET") {
    return send(method, "/folder/web/" + file + "?dcPath=ha-datacenter&dsName=datastore1",
                std::move(headers));
  }

  TemporaryDirectory folder_ = TemporaryDirectory::make("dc").value();
  DatacenterOptions options_;
  std::unique_ptr<Datacenter> datacenter_;
  std::unique_ptr<CurlTransport> transport_;
  std::string cookie_;
};

}  // namespace rekindle::sandbox
