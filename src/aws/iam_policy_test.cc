#include "aws/iam_policy.h"

#include <gtest/gtest.h>

#include <set>

namespace rekindle {
namespace {

using nlohmann::json;

json statement(const json& policy, const std::string& sid) {
  for (const json& one : policy.at("Statement")) {
    if (one.at("Sid") == sid) return one;
  }
  return nullptr;
}

TEST(IamPolicy, AllowsEveryActionAndNoOther) {
  std::set<std::string> allowed;
  const json policy = iam_policy({"*", {}, {}, {}});
  for (const json& one : policy.at("Statement")) {
    EXPECT_EQ(one.at("Effect"), "Allow");
    for (const json& action : one.at("Action")) allowed.insert(action.get<std::string>());
  }
  std::set<std::string> wanted;
  for (const IamAction& action : iam_actions()) wanted.emplace(action.name);
  EXPECT_EQ(allowed, wanted);
  for (const std::string& action : allowed) {
    EXPECT_EQ(action.find('*'), std::string::npos) << action;
  }
}

// A thief with these keys can end what Rekindle made, but not what others did.
TEST(IamPolicy, RemovesOnlyWhatCarriesOurTag) {
  const json policy = iam_policy({"eu-central-1", {}, {}, {}});
  const json removal = statement(policy, "ChangeAndRemoveOurs");
  EXPECT_EQ(removal.at("Condition"), json({{"Null", {{"aws:ResourceTag/rekindle:token", "false"}}}}));
  for (const json& one : policy.at("Statement")) {
    if (one == removal) continue;
    for (const json& action : one.at("Action")) {
      for (const char* verb : {"Delete", "Terminate", "Deregister", "Stop", "Modify"})
        EXPECT_EQ(action.get<std::string>().find(verb), std::string::npos) << action;
    }
  }
}

// Which StartSnapshot asks for without saying that it makes the snapshot: tags of others stay as they are.
TEST(IamPolicy, GivesSnapshotsThatAreThereNoTagsButOurs) {
  const json policy = iam_policy({"eu-central-1", {}, {}, {}});
  EXPECT_EQ(statement(policy, "TagImages").at("Condition"),
            json({{"Null", {{"aws:RequestTag/rekindle:token", "false"}}},
                  {"ForAllValues:StringLike", {{"aws:TagKeys", "rekindle:*"}}}}));
  EXPECT_EQ(statement(policy, "TagImages").at("Resource"), "arn:aws:ec2:eu-central-1::snapshot/*");
}

// Who may send any document, or to any instance, is root there.
TEST(IamPolicy, RunsNothingButShellScriptsInInstancesThatCarryOurTag) {
  const json policy = iam_policy({"eu-central-1", {}, {}, {}});
  EXPECT_EQ(statement(policy, "RunShellScripts").at("Resource"),
            "arn:aws:ssm:eu-central-1::document/AWS-RunShellScript");
  const json ours = statement(policy, "RunScriptsInOurs");
  EXPECT_EQ(ours.at("Resource"), "arn:aws:ec2:eu-central-1:*:instance/*");
  EXPECT_EQ(ours.at("Condition"), json({{"Null", {{"aws:ResourceTag/rekindle:token", "false"}}}}));
  std::set<std::string> sending;
  for (const json& one : policy.at("Statement")) {
    for (const json& action : one.at("Action")) {
      if (action == "ssm:SendCommand") sending.insert(one.at("Sid").get<std::string>());
    }
  }
  EXPECT_EQ(sending, (std::set<std::string>{"RunShellScripts", "RunScriptsInOurs"}));
}

TEST(IamPolicy, NamesKeysRolesAndBucketsOnlyWhereTheyAreUsed) {
  const json bare = iam_policy({"*", {}, {}, {}});
  EXPECT_EQ(statement(bare, "UseTheKeys"), nullptr);
  EXPECT_EQ(statement(bare, "GiveInstancesTheirRoles"), nullptr);
  EXPECT_EQ(statement(bare, "ReadAndWriteTheVault"), nullptr);
  const json full = iam_policy({"*", {"arn:aws:kms:key"}, {"arn:aws:iam:role"}, {"bucket"}});
  EXPECT_EQ(statement(full, "UseTheKeys").at("Resource"), json({"arn:aws:kms:key"}));
  EXPECT_EQ(statement(full, "GiveInstancesTheirRoles").at("Resource"), json({"arn:aws:iam:role"}));
  EXPECT_EQ(statement(full, "ReadAndWriteTheVault").at("Resource"), json({"arn:aws:s3:::bucket/*"}));
}

TEST(IamPolicy, GrantsKeysOnlyToServicesOfAws) {
  const json policy = iam_policy({"*", {"arn:aws:kms:key"}, {}, {}});
  EXPECT_EQ(statement(policy, "LetEbsUseTheKeys").at("Condition"),
            json({{"Bool", {{"kms:GrantIsForAWSResource", "true"}}}}));
  for (const json& action : statement(policy, "UseTheKeys").at("Action"))
    EXPECT_NE(action, "kms:CreateGrant");
}

TEST(IamPolicy, NamesThePartitionOfTheRegion) {
  const std::string china = iam_policy({"cn-north-1", {}, {}, {"bucket"}}).dump();
  EXPECT_NE(china.find("arn:aws-cn:ec2:cn-north-1:*:volume/*"), std::string::npos);
  EXPECT_NE(china.find("arn:aws-cn:s3:::bucket"), std::string::npos);
  EXPECT_NE(china.find("arn:aws-cn:ssm:cn-north-1::document/"), std::string::npos);
  EXPECT_EQ(china.find("arn:aws:"), std::string::npos);
  EXPECT_EQ(iam_policy({"us-gov-west-1", {}, {}, {}}).dump().find("arn:aws:"), std::string::npos);
}

}  // namespace
}  // namespace rekindle
