#include "aws/guest_scripts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/advisers_for_tests.h"
#include "base/process.h"

namespace rekindle {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AwsGuestScriptsTest : public testing::Test {
 protected:
  void refuses(std::string_view type, int status = 400) {
    aws.transport.answer(status, fmt::format(R"({{"__type": "{}", "Message": "m"}})", type));
  }
  void says(std::string_view answer) { aws.transport.answer(200, answer); }
  void says_state(std::string_view status, std::string_view details, int code = -1) {
    aws.transport.answer(200, fmt::format(R"({{"Status": "{}", "StatusDetails": "{}", "ResponseCode": {},
                             "StandardOutputContent": "out\n", "StandardErrorContent": "err\n"}})",
                                          status, details, code));
  }
  json asked(std::size_t index) const { return json::parse(aws.request(index).body_text()); }
  std::string text_sent() const { return asked(0).at("Parameters").at("commands").at(0).get<std::string>(); }
  std::string action(std::size_t index) const {
    return std::string(aws.request(index).headers.get("X-Amz-Target"));
  }
  GuestScriptState state() {
    const auto found = scripts.script_state(instance, "c-1");
    if (found.ok()) return *found;
    ADD_FAILURE() << found.error().message();
    return {};
  }

  const InstanceId instance{"i-1"};
  const GuestScript script{instance, "echo hello\n", {{"A", "1"}}, seconds(300), "token-1"};
  CannedAdvisers aws;
  AwsGuestScripts scripts{
      std::make_unique<JsonClient>(aws.service(CannedAdvisers::options("ssm")), ssm_target), aws.clock,
      seconds(120)};
};

TEST_F(AwsGuestScriptsTest, AccessIsCheckedByAskingForAgentsAndForCommands) {
  says(R"({"InstanceInformationList": []})");
  says(R"({"Commands": []})");
  EXPECT_TRUE(scripts.check_access().ok());
  EXPECT_EQ(action(0), "AmazonSSM.DescribeInstanceInformation");
  EXPECT_EQ(asked(0), json::parse(R"({"MaxResults": 5})"));
  EXPECT_EQ(action(1), "AmazonSSM.ListCommands");
  EXPECT_EQ(asked(1), json::parse(R"({"MaxResults": 1})"));
  says(R"({"InstanceInformationList": []})");
  refuses("AccessDeniedException");
  const auto refused = scripts.check_access();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::permission_denied);
  EXPECT_THAT(refused.error().message(), HasSubstr("ssm:ListCommands"));
  for (int i = 0; i < advice_attempts; ++i) aws.transport.lose_connection();
  EXPECT_EQ(scripts.check_access().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(aws.transport.unused(), 0U);
}

TEST_F(AwsGuestScriptsTest, AnAgentThatIsOnlineTakesScripts) {
  says(R"({"InstanceInformationList": [{"InstanceId": "i-1", "PingStatus": "Online"}]})");
  const auto takes = scripts.takes_scripts(instance);
  ASSERT_TRUE(takes.ok()) << takes.error().message();
  EXPECT_TRUE(*takes);
  EXPECT_EQ(action(0), "AmazonSSM.DescribeInstanceInformation");
  EXPECT_EQ(asked(0), json::parse(R"({"Filters": [{"Key": "InstanceIds", "Values": ["i-1"]}]})"));
  EXPECT_EQ(aws.request(0).url, "http://127.0.0.1:1/");
  EXPECT_THAT(std::string(aws.request(0).headers.get("Authorization")),
              HasSubstr("/eu-central-1/ssm/aws4_request"));
}

TEST_F(AwsGuestScriptsTest, OneThatIsSilentOrHasNeverCalledDoesNot) {
  says(R"({"InstanceInformationList": [{"InstanceId": "i-1", "PingStatus": "ConnectionLost"}]})");
  EXPECT_FALSE(scripts.takes_scripts(instance).value());
  says(R"({"InstanceInformationList": [{"InstanceId": "i-2", "PingStatus": "Online"}]})");
  EXPECT_FALSE(scripts.takes_scripts(instance).value());
  says(R"({"InstanceInformationList": []})");
  EXPECT_FALSE(scripts.takes_scripts(instance).value());
  refuses("InvalidInstanceId");
  EXPECT_FALSE(scripts.takes_scripts(instance).value());
  refuses("AccessDeniedException");
  EXPECT_EQ(scripts.takes_scripts(instance).error().code(), ErrorCode::permission_denied);
}

TEST_F(AwsGuestScriptsTest, AScriptIsSentWithItsEnvironmentItsPatienceAndItsToken) {
  says(R"({"Command": {"CommandId": "c-1"}})");
  const auto started = scripts.start_script(script);
  ASSERT_TRUE(started.ok()) << started.error().message();
  EXPECT_EQ(*started, "c-1");
  EXPECT_EQ(action(0), "AmazonSSM.SendCommand");
  EXPECT_EQ(asked(0), json::parse(R"({
    "DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"], "Comment": "token-1", "TimeoutSeconds": 60,
    "Parameters": {"commands": ["#!/bin/sh\nexport A='1'\necho hello\n"], "executionTimeout": ["300"]}})"));
}

TEST_F(AwsGuestScriptsTest, ValuesMeanNothingToTheShellNorToAws) {
  GuestScript printing = script;
  printing.environment = {{"A", "it's\n\"two\" lines\n"},
                          {"B_2", "$(id) `id` $HOME \\ \\n * ; # &"},
                          {"C", "{{ssm:secret}} {{{ '{{'"},
                          {"D", ""},
                          {"E", "'"}};
  printing.script = R"(printf '%s|' "$A" "$B_2" "$C" "$D" "$E")";
  says(R"({"Command": {"CommandId": "c-1"}})");
  ASSERT_TRUE(scripts.start_script(printing).ok());
  std::string wanted;
  for (const auto& [name, value] : printing.environment) wanted += value + "|";
  const auto ran = run_process({"/bin/sh", "-c", text_sent()});
  ASSERT_TRUE(ran.ok()) << ran.error().message();
  EXPECT_EQ(ran->out, wanted) << ran->err;
  EXPECT_THAT(text_sent(), Not(HasSubstr("{{")));
}

TEST_F(AwsGuestScriptsTest, NamesThatAreNoneAreRefused) {
  for (const char* name : {"", "1A", "A B", "A;id", "A=B", "Ä", "A\n"}) {
    GuestScript wrong = script;
    wrong.environment = {{name, "1"}};
    const auto refused = scripts.start_script(wrong);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(refused.error().message(), HasSubstr(fmt::format("'{}' is no name", name)));
  }
  EXPECT_TRUE(aws.transport.requests().empty());
}

TEST_F(AwsGuestScriptsTest, WhatIsNotUtf8IsRefused) {
  GuestScript wrong = script;
  wrong.script = "echo caf\xe9";
  const auto refused = scripts.start_script(wrong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message(), HasSubstr("UTF-8"));
  EXPECT_TRUE(aws.transport.requests().empty());
}

TEST_F(AwsGuestScriptsTest, PatienceStaysWithinWhatTheDocumentTakes) {
  for (const auto& [patience, sent] : {std::pair(seconds(0), "1"), std::pair(seconds(1000000), "172800")}) {
    says(R"({"Command": {"CommandId": "c-1"}})");
    GuestScript other = script;
    other.patience = patience;
    ASSERT_TRUE(scripts.start_script(other).ok());
    const json last = asked(aws.transport.requests().size() - 1);
    EXPECT_EQ(last.at("Parameters").at("executionTimeout"), json::array({sent}));
  }
}

// Sent again, the script would run twice.
TEST_F(AwsGuestScriptsTest, AStartWhoseAnswerIsLostIsNotSentAgain) {
  aws.transport.lose_connection();
  const auto lost = scripts.start_script(script);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(lost.error().message(),
            "whether a script was started in i-1 is not known: SendCommand: connection reset");
  refuses("InternalServerError", 500);
  EXPECT_EQ(scripts.start_script(script).error().code(), ErrorCode::unavailable);
  says("{}");
  EXPECT_EQ(scripts.start_script(script).error().code(), ErrorCode::unavailable);
  says("half an ans");
  EXPECT_EQ(scripts.start_script(script).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(aws.transport.requests().size(), 4U);
}

TEST_F(AwsGuestScriptsTest, AStartThatWasThrottledIsSentAgain) {
  refuses("ThrottlingException");
  says(R"({"Command": {"CommandId": "c-1"}})");
  EXPECT_TRUE(scripts.start_script(script).ok());
  EXPECT_EQ(aws.transport.requests().size(), 2U);
}

TEST_F(AwsGuestScriptsTest, AnInstanceWithoutAnAgentIsRefusedWithTheWayOut) {
  refuses("InvalidInstanceId");
  const auto refused = scripts.start_script(script);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("the SSM agent of i-1 takes no scripts"), HasSubstr("running"),
                    HasSubstr("AmazonSSMManagedInstanceCore"), HasSubstr("instance_profile"),
                    HasSubstr("NAT"), HasSubstr("ssm, ssmmessages and ec2messages")));
  refuses("UnsupportedPlatformType");
  const auto windows = scripts.start_script(script);
  ASSERT_FALSE(windows.ok());
  EXPECT_EQ(windows.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(windows.error().message(), HasSubstr("only Linux does"));
}

TEST_F(AwsGuestScriptsTest, WhoMayNotIsToldWhatToAllow) {
  refuses("AccessDeniedException");
  const auto refused = scripts.start_script(script);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::permission_denied);
  EXPECT_THAT(refused.error().message(), HasSubstr("ssm:SendCommand"));
}

TEST_F(AwsGuestScriptsTest, AScriptIsFoundByItsTokenOnWhicheverPage) {
  aws.transport.lose_connection();  // asking again does no harm
  says(R"({"Commands": [{"CommandId": "c-3", "Comment": "token-12"}, {"CommandId": "c-2"}],
           "NextToken": "more"})");
  says(R"({"Commands": [{"CommandId": "c-1", "Comment": "token-1"}]})");
  const auto found = scripts.find_script(instance, "token-1");
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found, "c-1");
  EXPECT_EQ(action(0), "AmazonSSM.ListCommands");
  EXPECT_EQ(asked(1), json::parse(R"({"InstanceId": "i-1", "MaxResults": 50})"));
  EXPECT_EQ(asked(2), json::parse(R"({"InstanceId": "i-1", "MaxResults": 50, "NextToken": "more"})"));
}

TEST_F(AwsGuestScriptsTest, OneThatIsNotListedIsNotFound) {
  says(R"({"Commands": []})");
  const auto found = scripts.find_script(instance, "token-1");
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found, std::nullopt);
  refuses("InvalidInstanceId");  // its agent has not called yet
  const auto unknown = scripts.find_script(instance, "token-1");
  ASSERT_TRUE(unknown.ok()) << unknown.error().message();
  EXPECT_EQ(*unknown, std::nullopt);
  for (int i = 0; i < 2; ++i) says(R"({"Commands": [], "NextToken": "same"})");
  EXPECT_EQ(scripts.find_script(instance, "token-1").error().code(), ErrorCode::internal);
  refuses("AccessDeniedException");
  EXPECT_THAT(scripts.find_script(instance, "token-1").error().message(), HasSubstr("ssm:ListCommands"));
}

TEST_F(AwsGuestScriptsTest, AScriptThatEndedTellsItsStatusAndItsOutput) {
  says_state("Success", "Success", 0);
  EXPECT_TRUE(state().ended);
  EXPECT_EQ(action(0), "AmazonSSM.GetCommandInvocation");
  EXPECT_EQ(asked(0), json::parse(R"({"CommandId": "c-1", "InstanceId": "i-1"})"));
  says_state("Failed", "Failed", 3);
  const GuestScriptState failed = state();
  EXPECT_TRUE(failed.ended);
  EXPECT_EQ(failed.exit_status, 3);
  EXPECT_EQ(failed.detail, "Failed");
  EXPECT_EQ(failed.output, "out\nerr\n");
  says_state("Success", "", 0);
  EXPECT_EQ(state().exit_status, 0);
  EXPECT_EQ(aws.transport.unused(), 0U);
}

TEST_F(AwsGuestScriptsTest, WhatTheAgentAddsToAFailureIsNotWhatTheScriptSaid) {
  says(R"({"Status": "Failed", "StatusDetails": "Failed", "ResponseCode": 3,
           "StandardOutputContent": "it is broken\n",
           "StandardErrorContent": "failed to run commands: exit status 3\n"})");
  EXPECT_EQ(state().output, "it is broken\n");
  says(R"({"Status": "Failed", "StatusDetails": "Failed", "ResponseCode": 3, "StandardOutputContent": "",
           "StandardErrorContent": "no disk\nfailed to run commands: exit status 3"})");
  EXPECT_EQ(state().output, "no disk\n");
  says(R"({"Status": "Success", "StatusDetails": "Success", "ResponseCode": 0, "StandardOutputContent": "",
           "StandardErrorContent": "failed to run commands: exit status 3, I was told\n"})");
  EXPECT_EQ(state().output, "failed to run commands: exit status 3, I was told\n");
}

TEST_F(AwsGuestScriptsTest, AScriptThatRunsHasNotEnded) {
  for (const char* status : {"Pending", "InProgress", "Delayed", "Cancelling"}) {
    says_state(status, status);
    const GuestScriptState now = state();
    EXPECT_FALSE(now.ended) << status;
    EXPECT_EQ(now.exit_status, -1) << status;
    EXPECT_EQ(now.detail, status);
  }
}

TEST_F(AwsGuestScriptsTest, AScriptThatWasEndedOrNeverBegunHasNoStatusOfItsOwn) {
  for (const auto& [status, details] :
       {std::pair("TimedOut", "Execution Timed Out"), std::pair("TimedOut", "Delivery Timed Out"),
        std::pair("Cancelled", "Cancelled"), std::pair("Failed", "Undeliverable"),
        std::pair("Failed", "Terminated")}) {
    says_state(status, details, 137);
    const GuestScriptState now = state();
    EXPECT_TRUE(now.ended) << details;
    EXPECT_EQ(now.exit_status, -1) << details;
    EXPECT_EQ(now.detail, details);
  }
  says("{}");
  EXPECT_EQ(scripts.script_state(instance, "c-1").error().code(), ErrorCode::internal);
}

TEST_F(AwsGuestScriptsTest, OneThatIsDeniedIsWaitedForButNotForEver) {
  refuses("InvocationDoesNotExist");
  EXPECT_FALSE(state().ended);
  aws.clock.advance(seconds(119));
  refuses("InvalidCommandId");
  EXPECT_EQ(state().detail, "Pending");
  aws.clock.advance(seconds(1));
  refuses("InvocationDoesNotExist");
  const auto gone = scripts.script_state(instance, "c-1");
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code(), ErrorCode::not_found);
  EXPECT_EQ(gone.error().message(), "AWS knows of no script c-1 in i-1");
  says_state("InProgress", "InProgress");
  EXPECT_EQ(state().detail, "InProgress") << "it came late";
  refuses("AccessDeniedException");
  EXPECT_EQ(scripts.script_state(instance, "c-1").error().code(), ErrorCode::permission_denied);
}

TEST_F(AwsGuestScriptsTest, EndingAsksTheAgentAndIsFineWhenThereIsNothingToEnd) {
  aws.transport.lose_connection();
  says("{}");
  EXPECT_TRUE(scripts.cancel_script(instance, "c-1").ok());
  EXPECT_EQ(action(1), "AmazonSSM.CancelCommand");
  EXPECT_EQ(asked(1), json::parse(R"({"CommandId": "c-1", "InstanceIds": ["i-1"]})"));
  refuses("InvalidCommandId");
  EXPECT_TRUE(scripts.cancel_script(instance, "c-1").ok());
  refuses("AccessDeniedException");
  const auto refused = scripts.cancel_script(instance, "c-1");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::permission_denied);
  EXPECT_THAT(refused.error().message(), HasSubstr("ssm:CancelCommand"));
}

}  // namespace
}  // namespace rekindle
