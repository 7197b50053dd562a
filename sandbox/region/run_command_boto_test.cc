// Run Command as boto3 drives it.
#include "net/curl_transport.h"
#include "net/http_server.h"
#include "sandbox/region/agent_fixture.h"
#include "sandbox/region/roles_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

constexpr const char* prelude = R"(
ssm = client('ssm')
def command(*instances, **changed):
    arguments = dict(InstanceIds=list(instances), DocumentName='AWS-RunShellScript', Parameters={'commands': ['echo hello'], 'executionTimeout': ['60']}, Comment='a token')
    arguments.update(changed)
    return arguments
def send(*instances, **changed): return ssm.send_command(**command(*instances, **changed))['Command']
)";

class RunCommandBotoTest : public RegionWithRolesTest {};

// The real region, where no agent is.
TEST_F(RunCommandBotoTest, IsServedByTheRegionBesideTheOthers) {
  region->faults().add(
      {.action = "ListCommands", .kind = FaultRule::Kind::lose_response, .skip = 1, .times = 1});
  region->faults().add({.action = "DescribeInstanceInformation",
                        .kind = FaultRule::Kind::quota,
                        .times = -1,
                        .per_second = 0.1});
  const json seen = boto(std::string(prelude) + R"(
def lost():
    try: ssm.list_commands()
    except botocore.exceptions.BotoCoreError as error: return type(error).__name__
id = 'i-00000000000000001'
wrong = client('ssm', aws_access_key_id=os.environ['AWS_ACCESS_KEY_ID'], aws_secret_access_key='x')
done(nodes=ssm.describe_instance_information()['InstanceInformationList'], throttled=refused(ssm.describe_instance_information),
     send=refused(ssm.send_command, **command(id)), document=refused(ssm.send_command, **command(id, DocumentName='AWS-Other')),
     commands=ssm.list_commands()['Commands'], lost=lost(), wrong=refused(wrong.list_commands), call=refused(ssm.list_documents),
     unknown=refused(ssm.get_command_invocation, CommandId='01234567-89ab-4cde-8f01-23456789abcd', InstanceId=id))
)");
  EXPECT_EQ(seen["nodes"], json::array());
  EXPECT_EQ(seen["throttled"], refusal("ThrottlingException", 400));
  EXPECT_EQ(seen["send"], refusal("InvalidInstanceId", 400));
  EXPECT_EQ(seen["document"], refusal("InvalidDocument", 400));
  EXPECT_EQ(seen["commands"], json::array());
  EXPECT_EQ(seen["lost"], "ConnectionClosedError");
  EXPECT_EQ(seen["wrong"], refusal("InvalidSignatureException", 400));
  EXPECT_EQ(seen["call"], refusal("UnknownOperationException", 400));
  EXPECT_EQ(seen["unknown"], refusal("InvocationDoesNotExist", 400));
}

TEST_F(RunCommandBotoTest, ARoleSendsWhatItsPolicyAllowsToWhomItAllows) {
  const auto allow = [](const json& actions, const char* resource, const json& condition = nullptr) {
    json statement = {{"Effect", "Allow"}, {"Action", actions}, {"Resource", resource}};
    if (!condition.is_null()) statement["Condition"] = condition;
    return statement;
  };
  const json ours = {{"StringEquals", {{"aws:ResourceTag/Name", "ours"}}}};
  json policy = {{"Version", "2012-10-17"},
                 {"Statement",
                  {allow("ssm:SendCommand", "arn:aws:ssm:*::document/AWS-RunShellScript"),
                   allow("ssm:SendCommand", "arn:aws:ec2:us-east-1:123456789012:instance/*", ours),
                   allow({"ssm:ListCommands", "ssm:GetCommandInvocation"}, "*")}}};
  ASSERT_NO_FATAL_FAILURE(make_role({{"name", "dr"}, {"policy", policy}}));
  policy["Statement"].erase(0);
  ASSERT_NO_FATAL_FAILURE(make_role({{"name", "no-document"}, {"policy", policy}}));
  const std::string mine = region->register_proxy("ours").value().instance_id;
  const std::string foreign = region->register_proxy("foreign").value().instance_id;
  const json seen = boto(std::string(prelude) + "mine, foreign = '" + mine + "', '" + foreign + "'\n" + R"(
def as_role(name):
    keys = sts.assume_role(RoleArn='arn:aws:iam::123456789012:role/' + name, RoleSessionName='me')['Credentials']
    return client('ssm', aws_access_key_id=keys['AccessKeyId'], aws_secret_access_key=keys['SecretAccessKey'], aws_session_token=keys['SessionToken'])
dr = as_role('dr')
done(ours=refused(dr.send_command, **command(mine)), foreign=refused(dr.send_command, **command(foreign)), both=refused(dr.send_command, **command(mine, foreign)),
     gone=refused(dr.send_command, **command('i-00000000000000009')), other=refused(dr.send_command, **command(mine, DocumentName='AWS-RunRemoteScript')),
     list=refused(dr.list_commands), nodes=refused(dr.describe_instance_information), document=refused(as_role('no-document').send_command, **command(mine)))
)");
  const json denied = refusal("AccessDeniedException", 400);
  EXPECT_EQ(seen["ours"], refusal("InvalidInstanceId", 400)) << "it may, and there is no agent";
  for (const char* what : {"foreign", "both", "gone", "other", "nodes", "document"})
    EXPECT_EQ(seen[what], denied) << what;
  EXPECT_EQ(seen["list"], nullptr);
}

// The service alone, with an agent that answers each command with its own text.
class RunCommandWithAgentTest : public AgentFixture {
 protected:
  void serve_agent(const std::stop_token& stop) {
    SystemClock clock;
    do {
      const std::string order(agent("poll", "computer_name=web\n").body_text());
      if (!order.starts_with("run ")) continue;
      const std::string command = order.substr(4, 36);
      begin(command);
      const std::string script = order.substr(order.find('\n', order.find('\n') + 1) + 1);
      end(command, script.find("fail") == std::string::npos ? 0 : 3, script, "failed");
    } while (clock.sleep(std::chrono::milliseconds(20), stop));
  }
};

TEST_F(RunCommandWithAgentTest, RunsScriptsAndTellsOfThem) {
  const std::string python = python_with_boto3();
  if (python.empty())
    GTEST_SKIP() << "boto3 is not installed (apt-get install python3-boto3): nothing was tested";
  std::jthread thread([this](const std::stop_token& stop) { serve_agent(stop); });
  const auto server = HttpServer::start({}, [this](const HttpRequest& request) {
                        return answer_json(*cloud, "ssm", request);
                      }).value();
  const std::string script = std::string(script_prelude) + prelude + R"(
id = 'i-00000000000000001'
def it_is_online(): return ssm.describe_instance_information(Filters=[{'Key': 'InstanceIds', 'Values': [id]}])['InstanceInformationList']
node = until(it_is_online)[0]
sent = send(id)
ssm.get_waiter('command_executed').wait(CommandId=sent['CommandId'], InstanceId=id, WaiterConfig={'Delay': 1, 'MaxAttempts': 60})
good = ssm.get_command_invocation(CommandId=sent['CommandId'], InstanceId=id)
failing = send(id, Comment='another', Parameters={'commands': ['fail']})['CommandId']
def it_ended(): return ssm.get_command_invocation(CommandId=failing, InstanceId=id)['Status'] == 'Failed'
until(it_ended)
found = [c['CommandId'] for page in ssm.get_paginator('list_commands').paginate(InstanceId=id, PaginationConfig={'PageSize': 1}) for c in page['Commands'] if c['Comment'] == 'a token']
ssm.cancel_command(CommandId=failing)
done(ping=node['PingStatus'], heard=node['LastPingDateTime'].timestamp() > time.time() - 3600, sent=sent['Status'],
     requested=sent['RequestedDateTime'].timestamp() > time.time() - 3600, code=good['ResponseCode'], output=good['StandardOutputContent'], found=found == [sent['CommandId']])
)";
  const auto output = run_process({"env", fmt::format("REGION_ENDPOINT=http://127.0.0.1:{}", server->port()),
                                   "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                                   "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true",
                                   "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
                                   python, "-c", script});
  ASSERT_TRUE(output.ok()) << output.error().message();
  ASSERT_EQ(output->exit_status, 0) << output->err;
  const json seen = json::parse(output->out);
  EXPECT_EQ(seen["ping"], "Online");
  EXPECT_TRUE(seen["heard"]);
  EXPECT_EQ(seen["sent"], "Pending");
  EXPECT_TRUE(seen["requested"]);
  EXPECT_EQ(seen["code"], 0);
  EXPECT_EQ(seen["output"], "echo hello\n");
  EXPECT_TRUE(seen["found"]);
}

}  // namespace
}  // namespace rekindle::sandbox
