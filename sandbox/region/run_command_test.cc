// Commands as their sender sees them.
#include "sandbox/region/run_command.h"

#include "sandbox/region/agent_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;
using RunCommandTest = AgentFixture;

constexpr const char* unknown_id = "01234567-89ab-4cde-8f01-23456789abcd";

TEST_F(RunCommandTest, IsForRunningInstancesWhoseAgentIsHeard) {
  EXPECT_EQ(refused("SendCommand", echo()), "InvalidInstanceId") << "it has not registered";
  polled();
  EXPECT_EQ(refused("SendCommand", echo()), "");
  EXPECT_EQ(refused("SendCommand", echo({instance_id, other_id})), "InvalidInstanceId") << "one of them";
  change<Instance>(instance_id, [](Instance& instance) { instance.state = "stopped"; });
  EXPECT_EQ(refused("SendCommand", echo()), "InvalidInstanceId");
  change<Instance>(instance_id, [](Instance& instance) { instance.state = "running"; });
  const auto usual = cloud->knobs().agent_lost;
  cloud->knobs().agent_lost = std::chrono::milliseconds(-1);  // whatever was heard is too long ago
  EXPECT_EQ(refused("SendCommand", echo()), "InvalidInstanceId");
  cloud->knobs().agent_lost = usual;
  EXPECT_EQ(refused("SendCommand", echo()), "");
}

TEST_F(RunCommandTest, IsToldAsItWasSent) {
  polled();
  const json sent = call("SendCommand", echo())["Command"];
  EXPECT_EQ(sent["CommandId"].get<std::string>().size(), 36U);
  EXPECT_EQ(sent["DocumentName"], "AWS-RunShellScript");
  EXPECT_EQ(sent["Comment"], "a token");
  EXPECT_EQ(sent["InstanceIds"], json::array({instance_id}));
  EXPECT_EQ(sent["Parameters"], echo()["Parameters"]);
  EXPECT_EQ(sent["Status"], "Pending");
  EXPECT_EQ(sent["StatusDetails"], "Pending");
  EXPECT_EQ(sent["TimeoutSeconds"], 60);
  EXPECT_EQ(sent["TargetCount"], 1);
  EXPECT_EQ(sent["CompletedCount"], 0);
  EXPECT_TRUE(sent["RequestedDateTime"].is_number());
  EXPECT_NEAR(sent["ExpiresAfter"].get<double>() - sent["RequestedDateTime"].get<double>(), 360, 0.01);
  EXPECT_EQ(listed(sent["CommandId"]), sent);
  EXPECT_NE(send(), send()) << "the same call again is another command";
}

TEST_F(RunCommandTest, RefusesAsAwsDoes) {
  polled();
  struct Case {
    const char *member, *code;
    json value;
  };
  const auto parameters = [](json commands, json timeout) {
    return json{{"commands", std::move(commands)}, {"executionTimeout", std::move(timeout)}};
  };
  const json some = {"true"}, usual = {"60"};
  for (const Case& one : std::vector<Case>{
           {"DocumentName", "ValidationException", nullptr},
           {"DocumentName", "InvalidDocument", "AWS-RunPowerShellScript"},
           {"DocumentName", "SerializationException", 7},
           {"Comment", "ValidationException", std::string(101, 'x')},
           {"TimeoutSeconds", "ValidationException", 29},
           {"TimeoutSeconds", "ValidationException", 2592001},
           {"TimeoutSeconds", "SerializationException", "60"},
           {"InstanceIds", "ValidationException", json::array()},
           {"InstanceIds", "ValidationException", json::array({"vol-1"})},
           {"InstanceIds", "ValidationException", std::vector<std::string>(51, instance_id)},
           {"InstanceIds", "DuplicateInstanceId", json::array({instance_id, instance_id})},
           {"InstanceIds", "SerializationException", instance_id},
           {"Parameters", "InvalidParameters", json::object()},
           {"Parameters", "InvalidParameters", parameters(json::array(), usual)},
           {"Parameters", "InvalidParameters", parameters(some, json::array({"0"}))},
           {"Parameters", "InvalidParameters", parameters(some, json::array({"172801"}))},
           {"Parameters", "InvalidParameters", parameters(some, json::array({"1m"}))},
           {"Parameters", "InvalidParameters", parameters(some, json::array({"1", "2"}))},
           {"Parameters", "InvalidParameters", json{{"commands", some}, {"other", some}}},
           {"Parameters", "InvalidParameters",
            json{{"commands", some}, {"workingDirectory", json::array({"/a\n/b"})}}},
           {"Parameters", "MaxDocumentSizeExceeded",
            parameters(json::array({std::string(65536, 'x')}), json::array({"60"}))},
           {"Parameters", "SerializationException", json::array()},
       }) {
    json command = echo();
    command[one.member] = one.value;
    EXPECT_EQ(refused("SendCommand", command), one.code)
        << one.member << " " << one.value.dump().substr(0, 80);
  }
  EXPECT_EQ(call("ListCommands", json::object())["Commands"].size(), 0U);
  json longest = echo();
  longest["Comment"] = std::string();
  for (int i = 0; i < 100; ++i) longest["Comment"] = longest["Comment"].get<std::string>() + "\u00e9";
  EXPECT_EQ(refused("SendCommand", longest), "") << "characters are counted, not bytes";
  EXPECT_EQ(refused("SendAutomation", echo()), "UnknownOperationException");
}

TEST_F(RunCommandTest, AreListedNewestFirstByInstanceAndPageByPage) {
  launch(other_id);
  polled();
  polled(other_id);
  std::vector<std::string> sent;
  for (int i = 0; i < 3; ++i) sent.push_back(send());
  const std::string of_other = send(echo({other_id}));
  const auto ids = [](const json& page) {
    std::vector<std::string> all;
    for (const json& command : page["Commands"]) all.push_back(command["CommandId"]);
    return all;
  };
  using Ids = std::vector<std::string>;
  const json all = call("ListCommands", {{"InstanceId", instance_id}});
  EXPECT_EQ(ids(all), (Ids{sent[2], sent[1], sent[0]}));
  EXPECT_FALSE(all.contains("NextToken"));
  EXPECT_EQ(ids(call("ListCommands", {{"InstanceId", other_id}})), Ids{of_other});
  const json first = call("ListCommands", {{"InstanceId", instance_id}, {"MaxResults", 2}});
  EXPECT_EQ(ids(first), (Ids{sent[2], sent[1]}));
  const json rest = call("ListCommands", {{"InstanceId", instance_id}, {"NextToken", first["NextToken"]}});
  EXPECT_EQ(ids(rest), Ids{sent[0]});
  EXPECT_FALSE(rest.contains("NextToken"));
  EXPECT_EQ(refused("ListCommands", {{"NextToken", "x"}}), "InvalidNextToken");
  EXPECT_EQ(refused("ListCommands", {{"MaxResults", 51}}), "ValidationException");
}

TEST_F(RunCommandTest, TellsHowAScriptEnded) {
  polled();
  const std::string good = send(), bad = send();
  EXPECT_EQ(invocation(good)["ResponseCode"], -1);
  EXPECT_EQ(invocation(good)["ExecutionStartDateTime"], "");
  EXPECT_EQ(begin(good), 200);
  EXPECT_EQ(status(good), "InProgress/InProgress");
  EXPECT_EQ(listed(good)["Status"], "InProgress");
  EXPECT_EQ(end(good, 0, "a\nb\n", "warned"), 200);
  const json told = invocation(good);
  EXPECT_EQ(told["Status"], "Success");
  EXPECT_EQ(told["StatusDetails"], "Success");
  EXPECT_EQ(told["ResponseCode"], 0);
  EXPECT_EQ(told["StandardOutputContent"], "a\nb\n");
  EXPECT_EQ(told["StandardErrorContent"], "warned");
  EXPECT_EQ(told["Comment"], "a token");
  EXPECT_EQ(told["PluginName"], "aws:runShellScript");
  EXPECT_TRUE(from_iso8601(told["ExecutionStartDateTime"].get<std::string>()).ok());
  EXPECT_EQ(told["ExecutionElapsedTime"].get<std::string>().substr(0, 2), "PT");
  EXPECT_EQ(begin(bad), 200);
  EXPECT_EQ(end(bad, 3), 200);
  EXPECT_EQ(status(bad), "Failed/Failed");
  EXPECT_EQ(invocation(bad)["ResponseCode"], 3);
  EXPECT_EQ(listed(bad)["ErrorCount"], 1);
  EXPECT_EQ(refused("GetCommandInvocation", {{"CommandId", good}, {"InstanceId", other_id}}),
            "InvocationDoesNotExist");
  EXPECT_EQ(refused("GetCommandInvocation", {{"CommandId", unknown_id}, {"InstanceId", instance_id}}),
            "InvocationDoesNotExist");
  const json of_a_plugin = {{"CommandId", good}, {"InstanceId", instance_id}, {"PluginName", "aws:other"}};
  EXPECT_EQ(refused("GetCommandInvocation", of_a_plugin), "InvalidPluginName");
}

TEST_F(RunCommandTest, IsCancelledAtOnceOrByItsAgent) {
  polled();
  const std::string waiting = send(), running = send(), over = send();
  EXPECT_EQ(begin(running), 200);
  EXPECT_EQ(begin(over), 200);
  EXPECT_EQ(end(over, 0), 200);
  for (const std::string& id : {waiting, running, over}) call("CancelCommand", {{"CommandId", id}});
  EXPECT_EQ(status(waiting), "Cancelled/Cancelled");
  EXPECT_EQ(begin(waiting), 409);
  EXPECT_EQ(status(running), "Cancelling/Cancelling");
  EXPECT_EQ(agent("running?agent=a&command=" + running).body_text(), "stop\n");
  EXPECT_EQ(end(running, 137), 200);
  EXPECT_EQ(status(running), "Cancelled/Cancelled");
  EXPECT_EQ(status(over), "Success/Success");
  EXPECT_EQ(refused("CancelCommand", {{"CommandId", unknown_id}}), "InvalidCommandId");
  EXPECT_EQ(refused("CancelCommand", {{"CommandId", over}, {"InstanceIds", {other_id}}}),
            "InvalidInstanceId");
}

TEST_F(RunCommandTest, TimesOut) {
  polled();
  const std::string early = send(), late = send(), silent = send(), slow = send();
  change<Command>(early, [](Command& command) { command.created_ms -= 60000; });
  EXPECT_EQ(begin(early), 409) << "TimeoutSeconds have passed";
  EXPECT_EQ(status(early), "Pending/Pending");
  EXPECT_EQ(begin(silent), 200);
  EXPECT_EQ(begin(slow), 200);
  const std::int64_t now = cloud->now_ms();
  for (const std::string& id : {early, silent})
    change<Invocation>(invocation_id(id, instance_id), [&](Invocation& one) { one.due_ms = now; });
  expire();
  EXPECT_EQ(status(early), "TimedOut/DeliveryTimedOut");
  EXPECT_EQ(status(silent), "TimedOut/DeliveryTimedOut");
  EXPECT_EQ(status(late), "Pending/Pending");
  EXPECT_EQ(agent("running?agent=a&command=" + silent).body_text(), "stop\n");
  EXPECT_EQ(end(silent, 0), 200);
  EXPECT_EQ(status(silent), "TimedOut/DeliveryTimedOut") << "it is too late";
  EXPECT_EQ(end(slow, 137, "so far"), 200);
  EXPECT_EQ(status(slow), "TimedOut/ExecutionTimedOut");
  EXPECT_EQ(invocation(slow)["ResponseCode"], 137);
  EXPECT_EQ(listed(silent)["DeliveryTimedOutCount"], 1);
}

TEST_F(RunCommandTest, ATerminatedInstanceTakesNoMore) {
  polled();
  const std::string waiting = send(), running = send();
  EXPECT_EQ(begin(running), 200);
  change<Instance>(instance_id, [](Instance& instance) { instance.state = "terminated"; });
  expire();
  EXPECT_EQ(status(waiting), "Failed/Undeliverable");
  EXPECT_EQ(status(running), "InProgress/InProgress") << "until it times out";
  EXPECT_EQ(call("DescribeInstanceInformation", json::object())["InstanceInformationList"].size(), 0U);
  EXPECT_EQ(agent("poll").status, 404);
}

TEST_F(RunCommandTest, OfSeveralInstancesIsAsGoodAsTheWorst) {
  launch(other_id);
  polled();
  polled(other_id);
  const std::string command = send(echo({instance_id, other_id}));
  const auto standing = [&] { return listed(command)["Status"].get<std::string>(); };
  EXPECT_EQ(begin(command), 200);
  EXPECT_EQ(end(command, 0), 200);
  EXPECT_EQ(standing(), "InProgress") << "the other has not begun";
  EXPECT_EQ(listed(command)["CompletedCount"], 1);
  EXPECT_EQ(begin(command, other_id), 200);
  EXPECT_EQ(end(command, 1, "", "", other_id), 200);
  EXPECT_EQ(standing(), "Failed");
  EXPECT_EQ(listed(command)["CompletedCount"], 2);
  EXPECT_EQ(status(command), "Success/Success");
}

TEST_F(RunCommandTest, OutlivesTheServer) {
  polled();
  const std::string waiting = send(), over = send();
  EXPECT_EQ(begin(over), 200);
  EXPECT_EQ(end(over, 0, "kept"), 200);
  restart();
  EXPECT_EQ(status(waiting), "Pending/Pending");
  EXPECT_EQ(invocation(over)["StandardOutputContent"], "kept");
  EXPECT_NE(polled().find(waiting), std::string::npos);
  EXPECT_EQ(refused("SendCommand", echo()), "");
}

TEST_F(RunCommandTest, CannotBeSeenAtOnceWhereTheRegionIsSlow) {
  polled();
  cloud->faults().set_not_found_window(std::chrono::hours(1));
  const std::string command = send();
  const json asked = {{"CommandId", command}, {"InstanceId", instance_id}};
  EXPECT_EQ(refused("GetCommandInvocation", asked), "InvocationDoesNotExist");
  EXPECT_EQ(refused("CancelCommand", {{"CommandId", command}}), "InvalidCommandId");
  EXPECT_EQ(call("ListCommands", json::object())["Commands"].size(), 0U);
  EXPECT_NE(polled().find(command), std::string::npos) << "the agent gets it";
  cloud->faults().clear();
  EXPECT_EQ(status(command), "Pending/Pending");
}

TEST_F(RunCommandTest, TellsWhichInstancesHaveAnAgent) {
  const auto nodes = [&](const json& body) {
    return call("DescribeInstanceInformation", body)["InstanceInformationList"];
  };
  const auto by = [](const char* key, const char* value) {
    return json{{"Filters", json::array({json{{"Key", key}, {"Values", {value}}}})}};
  };
  EXPECT_EQ(nodes(json::object()).size(), 0U);
  polled();
  const json node = nodes(by("InstanceIds", instance_id)).at(0);
  EXPECT_EQ(node["InstanceId"], instance_id);
  EXPECT_EQ(node["PingStatus"], "Online");
  EXPECT_EQ(node["PlatformType"], "Linux");
  EXPECT_EQ(node["PlatformName"], "Debian GNU/Linux");
  EXPECT_EQ(node["ComputerName"], "web");
  EXPECT_EQ(node["IPAddress"], "10.0.5.25");
  EXPECT_EQ(node["ResourceType"], "EC2Instance");
  EXPECT_TRUE(node["LastPingDateTime"].is_number());
  EXPECT_EQ(nodes(by("InstanceIds", other_id)).size(), 0U);
  EXPECT_EQ(nodes(by("PingStatus", "ConnectionLost")).size(), 0U);
  EXPECT_EQ(refused("DescribeInstanceInformation", by("nonsense", "x")), "InvalidFilterKey");
  change<Instance>(instance_id, [](Instance& instance) { instance.state = "stopped"; });
  EXPECT_EQ(nodes(by("PingStatus", "ConnectionLost")).size(), 1U);
}

TEST_F(RunCommandTest, TellsOfInstancesPageByPage) {
  for (int i = 1; i <= 7; ++i) {
    const std::string id = "i-0000000000000000" + std::to_string(i);
    launch(id);
    polled(id);
  }
  const json first = call("DescribeInstanceInformation", {{"MaxResults", 5}});
  EXPECT_EQ(first["InstanceInformationList"].size(), 5U);
  const json rest = call("DescribeInstanceInformation", {{"NextToken", first["NextToken"]}});
  ASSERT_EQ(rest["InstanceInformationList"].size(), 2U);
  EXPECT_EQ(rest["InstanceInformationList"][0]["InstanceId"], "i-00000000000000006");
  EXPECT_FALSE(rest.contains("NextToken"));
  EXPECT_EQ(refused("DescribeInstanceInformation", {{"MaxResults", 4}}), "ValidationException");
}

}  // namespace
}  // namespace rekindle::sandbox
