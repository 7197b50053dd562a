// What an instance's agent is told, and what is believed of what it says.
#include "sandbox/region/guest_agents.h"

#include "sandbox/region/agent_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;
using GuestAgentsTest = AgentFixture;

TEST_F(GuestAgentsTest, RegistersWhereTheRoleOfItsProfileLetsIt) {
  const auto answered = [&] { return agent("poll").status; };
  const auto role = [&](const json& body) { EXPECT_TRUE(roles->put(role_from_json(body).value()).ok()); };
  const auto with_policy = [&](const json& actions) {
    const json statement = {{"Effect", "Allow"}, {"Action", actions}, {"Resource", "*"}};
    role({{"name", "web"}, {"policy", {{"Version", "2012-10-17"}, {"Statement", {statement}}}}});
  };
  EXPECT_EQ(answered(), 200) << "nothing is known of the role";
  with_policy({"s3:GetObject"});
  EXPECT_EQ(answered(), 403);
  EXPECT_EQ(refused("SendCommand", echo()), "") << "it was heard a moment ago";
  with_policy({"ssm:UpdateInstanceInformation", "ssmmessages:*"});
  EXPECT_EQ(answered(), 200);
  role({{"name", "web"}, {"actions", {"ec2:DescribeVpcs"}}});
  EXPECT_EQ(answered(), 403);
  role({{"name", "web"}, {"actions", {"ssm:UpdateInstanceInformation"}}});
  EXPECT_EQ(answered(), 200);
  change<Instance>(instance_id, [](Instance& one) { one.metadata_options.endpoint = "disabled"; });
  EXPECT_EQ(answered(), 403) << "it could not have got the role's keys";
}

TEST_F(GuestAgentsTest, DoesNotRegisterWithoutARole) {
  const auto nodes = [&] {
    return call("DescribeInstanceInformation", json::object())["InstanceInformationList"].size();
  };
  change<Instance>(instance_id, [](Instance& one) { one.iam_profile.clear(); });
  EXPECT_EQ(agent("poll").status, 403);
  EXPECT_TRUE(cloud->account().put_profile({{"name", "bare"}}).ok());
  change<Instance>(instance_id, [](Instance& one) { one.iam_profile = "bare"; });
  EXPECT_EQ(agent("poll").status, 403) << "a profile without a role";
  EXPECT_EQ(nodes(), 0U);
  change<Instance>(instance_id, [](Instance& one) {
    one.iam_profile = "arn:aws:iam::123456789012:instance-profile/web-profile";
  });
  EXPECT_EQ(agent("poll").status, 200);
  EXPECT_EQ(nodes(), 1U);
}

TEST_F(GuestAgentsTest, GetsTheOldestCommandFirst) {
  EXPECT_EQ(polled(), "idle\n");
  json in_a_folder = echo();
  in_a_folder["Parameters"] = {{"commands", {"pwd"}}, {"workingDirectory", {"/srv"}}};
  const std::string first = send(), second = send(in_a_folder);
  EXPECT_EQ(polled(), "run " + first + " 300\n\necho a\necho b\n");
  EXPECT_EQ(polled(), "run " + first + " 300\n\necho a\necho b\n") << "as long as it has not begun";
  EXPECT_EQ(begin(first), 200);
  EXPECT_EQ(polled(), "run " + second + " 3600\n/srv\npwd\n");
  EXPECT_EQ(agent("running?agent=a&command=" + first).body_text(), "go on\n");
}

TEST_F(GuestAgentsTest, BeginsACommandOnceInOneLife) {
  polled();
  const std::string command = send();
  const auto in_life = [&](const char* what, const char* life, const char* more = "") {
    return agent(fmt::format("{}?agent={}&command={}{}", what, life, command, more));
  };
  EXPECT_EQ(in_life("start", "one").status, 200);
  EXPECT_EQ(in_life("start", "one").status, 200) << "its answer may have been lost";
  EXPECT_EQ(in_life("start", "two").status, 409);
  EXPECT_EQ(in_life("running", "two").body_text(), "stop\n");
  EXPECT_EQ(in_life("end", "two", "&code=0&output=0").status, 409);
  EXPECT_EQ(status(command), "InProgress/InProgress");
  EXPECT_EQ(in_life("end", "one", "&code=3&output=0").status, 200);
  EXPECT_EQ(in_life("end", "one", "&code=0&output=0").status, 200) << "said again";
  EXPECT_EQ(status(command), "Failed/Failed");
  EXPECT_EQ(in_life("start", "one").status, 409) << "it has ended";
}

TEST_F(GuestAgentsTest, IsBelievedWithinBounds) {
  polled();
  const std::string command = send();
  EXPECT_EQ(begin(command), 200);
  for (const char* wrong : {"", "&code=0", "&code=0&output=x", "&code=0&output=-1", "&code=256&output=0",
                            "&code=-2&output=0", "&code=&output=0", "&code=0&output=5"})
    EXPECT_EQ(agent("end?agent=a&command=" + command + wrong, "four").status, 400) << wrong;
  EXPECT_EQ(agent("end?command=" + command + "&code=0&output=0").status, 400) << "of no life";
  EXPECT_EQ(agent("end?agent=a&command=other&code=0&output=0").status, 404);
  EXPECT_EQ(agent("nothing?agent=a&command=" + command).status, 400);
  launch(other_id);
  EXPECT_EQ(agent("end?agent=a&command=" + command + "&code=0&output=0", "", other_id).status, 404)
      << "another's";
  HttpRequest get = agent_request("poll");
  get.method = "GET";
  EXPECT_EQ(answer_agent(*cloud, *roles, instance_id, get).status, 405);
  EXPECT_EQ(agent("poll", "", "i-00000000000000009").status, 404);
  EXPECT_EQ(status(command), "InProgress/InProgress");
}

TEST_F(GuestAgentsTest, WritesWhatIsKeptAsText) {
  polled();
  const auto told = [&](const std::string& output, const std::string& errors) {
    const std::string command = send();
    EXPECT_EQ(begin(command), 200);
    EXPECT_EQ(end(command, 0, output, errors), 200);
    return invocation(command);
  };
  const json large = told(std::string(30000, 'o'), std::string(10000, 'e'));
  EXPECT_EQ(large["StandardOutputContent"], std::string(24000, 'o'));
  EXPECT_EQ(large["StandardErrorContent"], std::string(8000, 'e'));
  const json cut = told(std::string(23999, 'o') + "\u00e9", std::string(7998, 'e') + "\u20acx");
  EXPECT_EQ(cut["StandardOutputContent"], std::string(23999, 'o')) << "no half character";
  EXPECT_EQ(cut["StandardErrorContent"], std::string(7998, 'e'));
  const json whole = told(std::string(23998, 'o') + "\u00e9x", "");
  EXPECT_EQ(whole["StandardOutputContent"], std::string(23998, 'o') + "\u00e9");
  const json binary = told(std::string("a\xff\0b", 4), "\xc3");
  EXPECT_EQ(binary["StandardOutputContent"], std::string("a\xef\xbf\xbd\0b", 6));
  EXPECT_EQ(binary["StandardErrorContent"], "\xef\xbf\xbd");
}

TEST_F(GuestAgentsTest, NamesItselfInPrintableCharacters) {
  const std::string body =
      "nonsense\n\n=\ncomputer_name=w\x1b[31m\xc3\xa9\nplatform_name=" + std::string(1000, 'n') +
      "\ncomputer_name=second\nagent_version=1.0";
  EXPECT_EQ(agent("poll", body).status, 200);
  const auto node = cloud->state().find<ManagedNode>(instance_id).value();
  EXPECT_EQ(node.computer_name, "w?[31m??");
  EXPECT_EQ(node.platform_name, std::string(100, 'n'));
  EXPECT_EQ(node.agent_version, "1.0");
  EXPECT_EQ(node.platform_version, "");
}

}  // namespace
}  // namespace rekindle::sandbox
