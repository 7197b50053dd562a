#include "sandbox/region/iam_policy_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle::sandbox {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Answer = IamPolicyDocument::Answer;

json document_of(const json& statements) {
  return {{"Version", "2012-10-17"}, {"Statement", statements}};
}

json allow(const json& actions, const json& resources, const json& condition = nullptr) {
  json statement = {{"Effect", "Allow"}, {"Action", actions}, {"Resource", resources}};
  if (!condition.is_null()) statement["Condition"] = condition;
  return statement;
}

json deny(const json& actions, const json& resources) {
  return {{"Effect", "Deny"}, {"Action", actions}, {"Resource", resources}};
}

Answer judge(const json& statements, const AccessRequest& request) {
  const auto policy = IamPolicyDocument::parse(document_of(statements));
  EXPECT_TRUE(policy.ok()) << policy.error().message();
  return policy->judge(request);
}

bool allows(const json& statements, const std::string& action, const std::string& resource) {
  return judge(statements, {action, resource}) == Answer::allowed;
}

// Whether the condition holds for a request that tells this.
bool holds(const json& condition, const ConditionContext& context) {
  const auto conditions = IamCondition::parse(condition);
  EXPECT_TRUE(conditions.ok()) << conditions.error().message();
  EXPECT_EQ(conditions->size(), 1U);
  return conditions->at(0).holds(context);
}

std::string refusal_of(const json& document) {
  const auto policy = IamPolicyDocument::parse(document);
  EXPECT_FALSE(policy.ok()) << document;
  return policy.ok() ? "" : policy.error().message();
}

TEST(IamPolicyDocument, AllowsOnlyWhatAStatementAllows) {
  const json policy = allow({"ec2:Describe*", "ec2:RunInstances"}, "*");
  EXPECT_TRUE(allows(policy, "ec2:DescribeImages", "*"));
  EXPECT_TRUE(allows(policy, "EC2:runinstances", "arn:aws:ec2:r:1:instance/*")) << "actions have no case";
  EXPECT_FALSE(allows(policy, "ec2:TerminateInstances", "arn:aws:ec2:r:1:instance/i-1"));
  EXPECT_FALSE(allows(policy, "ebs:DescribeImages", "*"));
  EXPECT_EQ(judge(policy, {"ec2:StopInstances", "*"}), Answer::not_mentioned);
}

TEST(IamPolicyDocument, WhatIsDeniedIsDeniedWhereverItIsAllowed) {
  const json policy = {deny("ec2:Delete*", "arn:aws:ec2:r:1:volume/vol-1"), allow("*", "*")};
  EXPECT_EQ(judge(policy, {"ec2:DeleteVolume", "arn:aws:ec2:r:1:volume/vol-1"}), Answer::denied);
  EXPECT_TRUE(allows(policy, "ec2:DeleteVolume", "arn:aws:ec2:r:1:volume/vol-2"));
  const json reversed = {policy[1], policy[0]};
  EXPECT_EQ(judge(reversed, {"ec2:DeleteVolume", "arn:aws:ec2:r:1:volume/vol-1"}), Answer::denied);
}

TEST(IamPolicyDocument, ComparesArns) {
  struct Case {
    const char *pattern, *resource;
    bool matches;
  };
  for (const Case& one : std::vector<Case>{
           {"*", "arn:aws:ec2:r:1:volume/vol-1", true},
           {"arn:aws:ec2:r:1:volume/*", "arn:aws:ec2:r:1:volume/vol-1", true},
           {"arn:aws:ec2:r:1:volume/*", "arn:aws:ec2:r:1:volume/*", true},
           {"arn:aws:ec2:r:1:volume/*", "arn:aws:ec2:r:1:instance/i-1", false},
           {"arn:aws:ec2:*:*:snapshot/*", "arn:aws:ec2:r::snapshot/snap-1", true},
           {"arn:aws:ec2:r:1:snapshot/*", "arn:aws:ec2:r::snapshot/snap-1", false},
           {"arn:aws:ec2:r::snapshot/*", "arn:aws:ec2:q::snapshot/snap-1", false},
           {"arn:aws:ec2:r:1:volume/vol-?", "arn:aws:ec2:r:1:volume/vol-1", true},
           {"arn:aws:ec2:r:1:volume/vol-?", "arn:aws:ec2:r:1:volume/vol-12", false},
           {"arn:aws:ec2:r:1:volume/VOL-1", "arn:aws:ec2:r:1:volume/vol-1", false},
           {"arn:aws:ec2:r:1:volume/*-1-*-2", "arn:aws:ec2:r:1:volume/a-1-1-b-2", true},
           {"arn:aws:ec2:r:1:volume/*-1-*-2", "arn:aws:ec2:r:1:volume/a-1-b-2-c", false},
       }) {
    EXPECT_EQ(allows(allow("ec2:X", json::array({one.pattern})), "ec2:X", one.resource), one.matches)
        << one.pattern << " " << one.resource;
  }
}

TEST(IamPolicyDocument, AllConditionsOfAStatementMustHold) {
  const json policy = allow("ec2:CreateTags", "*",
                            {{"StringEquals", {{"ec2:CreateAction", {"RunInstances", "CreateVolume"}}}},
                             {"Null", {{"aws:RequestTag/ours", "false"}}}});
  const auto judged = [&](const ConditionContext& context) {
    return judge(policy, {"ec2:CreateTags", "arn:aws:ec2:r:1:volume/*", context}) == Answer::allowed;
  };
  EXPECT_TRUE(judged({{"ec2:CreateAction", {"CreateVolume"}}, {"aws:RequestTag/ours", {"x"}}}));
  EXPECT_FALSE(judged({{"ec2:CreateAction", {"CreateVolume"}}}));
  EXPECT_FALSE(judged({{"ec2:CreateAction", {"CopySnapshot"}}, {"aws:RequestTag/ours", {"x"}}}));
  EXPECT_FALSE(judged({{"aws:RequestTag/ours", {"x"}}})) << "an absent key equals nothing";
}

TEST(IamCondition, ComparesAsTheOperatorSays) {
  const ConditionContext told = {{"k", {"Alpha"}}, {"flag", {"true"}}, {"tags", {"a:1", "a:2"}}};
  struct Case {
    const char *operation, *key;
    json values;
    bool holds;
  };
  for (const Case& one : std::vector<Case>{
           {"StringEquals", "k", "Alpha", true},
           {"StringEquals", "K", "Alpha", true},  // names have no case
           {"StringEquals", "k", "alpha", false},
           {"StringEquals", "k", {"x", "Alpha"}, true},
           {"StringEquals", "k", "Al*", false},
           {"StringEquals", "absent", "Alpha", false},
           {"StringEqualsIfExists", "absent", "Alpha", true},
           {"StringEqualsIfExists", "k", "Beta", false},
           {"StringEqualsIgnoreCase", "k", "ALPHA", true},
           {"StringNotEquals", "k", "Alpha", false},
           {"StringNotEquals", "k", {"x", "y"}, true},
           {"StringNotEquals", "k", {"x", "Alpha"}, false},
           {"StringNotEquals", "absent", "Alpha", true},
           {"StringNotEqualsIgnoreCase", "k", "ALPHA", false},
           {"StringLike", "k", "Al*", true},
           {"StringLike", "k", "A?pha", true},
           {"StringLike", "k", "al*", false},
           {"StringLike", "absent", "*", false},
           {"StringLikeIfExists", "absent", "x", true},
           {"StringNotLike", "k", "Al*", false},
           {"StringNotLike", "absent", "*", true},
           {"Bool", "flag", "true", true},
           {"Bool", "flag", true, true},
           {"Bool", "flag", "false", false},
           {"Bool", "absent", "false", false},
           {"BoolIfExists", "absent", "true", true},
           {"Null", "k", "false", true},
           {"Null", "k", "true", false},
           {"Null", "absent", "true", true},
           {"Null", "absent", false, false},
           {"ForAllValues:StringEquals", "tags", {"a:1", "a:2", "b"}, true},
           {"ForAllValues:StringEquals", "tags", {"a:1"}, false},
           {"ForAllValues:StringLike", "tags", "a:*", true},
           {"ForAllValues:StringEquals", "absent", "a:1", true},
           {"ForAnyValue:StringEquals", "tags", {"a:1", "b"}, true},
           {"ForAnyValue:StringEquals", "tags", "b", false},
           {"ForAnyValue:StringEquals", "absent", "a:1", false},
           {"ForAnyValue:StringNotEquals", "absent", "a:1", false},
           {"ForAnyValue:StringEqualsIfExists", "absent", "a:1", true},
       }) {
    EXPECT_EQ(holds({{one.operation, {{one.key, one.values}}}}, told), one.holds)
        << one.operation << " " << one.key << " " << one.values;
  }
}

TEST(IamPolicyDocument, RefusesWhatItDoesNotKnow) {
  const json good = allow("ec2:X", "*");
  EXPECT_TRUE(IamPolicyDocument::parse(document_of(json::array({good}))).ok());
  EXPECT_THAT(refusal_of({{"Version", "2008-10-17"}, {"Statement", good}}), HasSubstr("Version"));
  EXPECT_THAT(refusal_of({{"Version", "2012-10-17"}}), HasSubstr("no object"));
  EXPECT_THAT(refusal_of(document_of(json::array())), HasSubstr("no statement"));
  EXPECT_THAT(refusal_of(json::array({good})), HasSubstr("no object"));
  for (const char* element : {"NotAction", "NotResource", "Principal", "condition"}) {
    json statement = good;
    statement["Sid"] = "Mine";
    statement[element] = "*";
    EXPECT_THAT(refusal_of(document_of(statement)), HasSubstr(element));
    EXPECT_THAT(refusal_of(document_of(statement)), HasSubstr("Mine"));
  }
  for (const char* element : {"Effect", "Action", "Resource"}) {
    json statement = good;
    statement.erase(element);
    EXPECT_THAT(refusal_of(document_of(statement)), HasSubstr(element));
  }
  EXPECT_THAT(refusal_of(document_of(allow("DeleteVolume", "*"))), HasSubstr("DeleteVolume"));
  EXPECT_THAT(refusal_of(document_of(allow("ec2:X", "vol-1"))), HasSubstr("vol-1"));
  EXPECT_THAT(refusal_of(document_of(allow("ec2:X", "arn:aws:s3:::${aws:username}"))), HasSubstr("variable"));
}

TEST(IamPolicyDocument, RefusesConditionsThatItCouldNotJudge) {
  const auto with = [](const json& condition) { return document_of(allow("ec2:X", "*", condition)); };
  for (const char* operation : {"DateLessThan", "IpAddress", "NumericEquals", "ArnLike", "stringEquals",
                                "NullIfExists", "ForAllValues:Null", "ForSomeValues:StringEquals"}) {
    EXPECT_THAT(refusal_of(with({{operation, {{"k", "v"}}}})), HasSubstr(operation));
  }
  EXPECT_THAT(refusal_of(with({{"StringEquals", {{"k", "${aws:username}"}}}})), HasSubstr("variable"));
  EXPECT_THAT(refusal_of(with({{"StringEquals", {{"k", json::array()}}}})), HasSubstr("without a value"));
  EXPECT_THAT(refusal_of(with({{"StringEquals", {{"k", 1}}}})), HasSubstr("no value"));
  EXPECT_THAT(refusal_of(with({{"StringEquals", "k"}})), HasSubstr("StringEquals"));
  EXPECT_THAT(refusal_of(with("k")), HasSubstr("Condition"));
}

TEST(IamPolicyDocument, NamesItsConditionKeys) {
  const auto policy =
      IamPolicyDocument::parse(document_of({allow("ec2:X", "*", {{"Null", {{"aws:RequestTag/a", "false"}}}}),
                                            allow("ec2:Y", "*", {{"Bool", {{"b", "true"}}}})}));
  EXPECT_EQ(policy->condition_keys(), (std::vector<std::string>{"aws:RequestTag/a", "b"}));
}

}  // namespace
}  // namespace rekindle::sandbox
