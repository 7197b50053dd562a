// A cloud with instances whose agents the test is.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "sandbox/region/cloud_fixture.h"
#include "sandbox/region/guest_agents.h"
#include "sandbox/region/json_services.h"
#include "sandbox/region/run_command.h"

namespace rekindle::sandbox {

// What an instance has that can register: it runs, and its profile has a role.
inline Instance managed_instance(const std::string& id) {
  Instance instance;
  instance.id = id;
  instance.state = "running";
  instance.private_ip = "10.0.5.25";
  instance.iam_profile = "web-profile";
  return instance;
}

inline HttpRequest agent_request(const std::string& what, const std::string& body = "") {
  HttpRequest request;
  request.method = "POST";
  request.raw_path = request.path = std::string(agents_prefix) + what.substr(0, what.find('?'));
  if (what.find('?') != std::string::npos) request.query = what.substr(what.find('?') + 1);
  request.body = to_bytes(as_bytes(body));
  return request;
}

class AgentFixture : public testing::Test {
 protected:
  using json = nlohmann::json;
  static constexpr const char* instance_id = "i-00000000000000001";
  static constexpr const char* other_id = "i-00000000000000002";

  AgentFixture() {
    launch(instance_id);
    EXPECT_TRUE(cloud->account().put_profile({{"name", "web-profile"}, {"role", "web"}}).ok());
  }
  // A refused call forgets what was not committed.
  template <typename T>
  void put(const T& row) {
    cloud->state().put(row);
    EXPECT_TRUE(cloud->state().commit().ok());
  }
  void launch(const std::string& id) { put(managed_instance(id)); }
  void restart() {
    cloud.reset();
    cloud = Cloud::open(options_in(folder.path())).value();
  }
  void expire() {
    cloud->expire_commands();
    EXPECT_TRUE(cloud->state().commit().ok());
  }
  template <typename T, typename Change>
  void change(const std::string& id, Change how) {
    T row = cloud->state().find<T>(id).value();
    how(row);
    put(row);
  }

  HttpResponse ask(const std::string& action, const json& body) {
    HttpRequest request;
    request.headers.set("X-Amz-Target", "AmazonSSM." + action);
    request.body = to_bytes(as_bytes(body.dump()));
    return answer_json(*cloud, "ssm", request);
  }
  json call(const std::string& action, const json& body) {
    const HttpResponse answer = ask(action, body);
    EXPECT_EQ(answer.status, 200) << answer.body_text();
    return json::parse(answer.body_text());
  }
  // The code of the refusal; "": it was none.
  std::string refused(const std::string& action, const json& body) {
    const HttpResponse answer = ask(action, body);
    if (answer.status == 200) return "";
    EXPECT_EQ(answer.status, 400);
    return json::parse(answer.body_text()).value("__type", "?");
  }
  static json echo(const std::vector<std::string>& instances = {instance_id}) {
    return {{"DocumentName", "AWS-RunShellScript"},
            {"InstanceIds", instances},
            {"Comment", "a token"},
            {"TimeoutSeconds", 60},
            {"Parameters", {{"commands", {"echo a", "echo b"}}, {"executionTimeout", {"300"}}}}};
  }
  // The id of the command.
  std::string send(const json& command = echo()) {
    return call("SendCommand", command)["Command"]["CommandId"];
  }
  json invocation(const std::string& command, const std::string& instance = instance_id) {
    return call("GetCommandInvocation", {{"CommandId", command}, {"InstanceId", instance}});
  }
  // "Status/StatusDetails"
  std::string status(const std::string& command, const std::string& instance = instance_id) {
    const json told = invocation(command, instance);
    return told["Status"].get<std::string>() + "/" + told["StatusDetails"].get<std::string>();
  }
  json listed(const std::string& command) {
    return call("ListCommands", {{"CommandId", command}})["Commands"].at(0);
  }

  HttpResponse agent(const std::string& what, const std::string& body = "",
                     const std::string& id = instance_id) {
    return answer_agent(*cloud, *roles, id, agent_request(what, body));
  }
  std::string polled(const std::string& id = instance_id) {
    const HttpResponse answer = agent("poll", "platform_name=Debian GNU/Linux\ncomputer_name=web\n", id);
    EXPECT_EQ(answer.status, 200);
    return std::string(answer.body_text());
  }
  // Of the agent's only life.
  int begin(const std::string& command, const std::string& id = instance_id) {
    return agent("start?agent=a&command=" + command, "", id).status;
  }
  int end(const std::string& command, int code, const std::string& output = "",
          const std::string& errors = "", const std::string& id = instance_id) {
    return agent(fmt::format("end?agent=a&command={}&code={}&output={}", command, code, output.size()),
                 output + errors, id)
        .status;
  }

  TemporaryDirectory folder = TemporaryDirectory::make("agents").value();
  std::unique_ptr<Cloud> cloud = Cloud::open(options_in(folder.path())).value();
  std::unique_ptr<Roles> roles = Roles::open(folder.path(), "secret").value();
};

}  // namespace rekindle::sandbox
