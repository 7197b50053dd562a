#include "aws/kms_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/advisers_for_tests.h"

namespace rekindle {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class KmsKeyTest : public testing::Test {
 protected:
  Result<Unproven> check() { return check_kms_key(aws.kms, "alias/dr"); }
  Result<Unproven> check_answered(int status, const json& answer) {
    aws.transport.answer(status, answer.dump());
    return check();
  }
  Result<Unproven> check_key(const json& metadata) {
    aws.transport.answer(200, json{{"KeyMetadata", metadata}}.dump());
    aws.transport.answer(400, json{{"__type", "DryRunOperationException"}}.dump());
    return check();
  }
  std::string refusal_of(const json& metadata) {
    const auto checked = check_answered(200, {{"KeyMetadata", metadata}});
    return checked.ok() ? "it was accepted" : checked.error().message();
  }

  CannedAdvisers aws;
};

TEST_F(KmsKeyTest, IsAskedForInTheWordsOfKms) {
  const auto checked = check_key({{"KeyState", "Enabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}});
  ASSERT_TRUE(checked.ok());
  EXPECT_TRUE(checked->empty());
  const HttpRequest& request = aws.request(0);
  EXPECT_EQ(request.url, "http://127.0.0.1:1/");
  EXPECT_EQ(request.headers.get("X-Amz-Target"), "TrentService.DescribeKey");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/x-amz-json-1.1");
  EXPECT_EQ(json::parse(request.body_text()), json({{"KeyId", "alias/dr"}}));
  EXPECT_THAT(std::string(request.headers.get("Authorization")),
              AllOf(HasSubstr("/eu-central-1/kms/aws4_request"), HasSubstr("x-amz-target")));
}

TEST_F(KmsKeyTest, IsTriedAsEbsUsesIt) {
  ASSERT_TRUE(check_key({{"KeyState", "Enabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}}).ok());
  EXPECT_EQ(aws.request(1).headers.get("X-Amz-Target"), "TrentService.GenerateDataKeyWithoutPlaintext");
  EXPECT_EQ(json::parse(aws.request(1).body_text()),
            json({{"KeyId", "alias/dr"}, {"KeySpec", "AES_256"}, {"DryRun", true}}));
}

TEST_F(KmsKeyTest, ThatRefusesUsIsNotProvenAndNotRefused) {
  const json metadata = {{"KeyState", "Enabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}};
  aws.transport.answer(200, json{{"KeyMetadata", metadata}}.dump());
  aws.transport.answer(400, json{{"__type", "AccessDeniedException"}, {"message", "no"}}.dump());
  const auto checked = check();
  ASSERT_TRUE(checked.ok());
  EXPECT_THAT(*checked,
              ElementsAre(AllOf(HasSubstr("key alias/dr is not proven"), HasSubstr("through EC2"))));
}

TEST_F(KmsKeyTest, ThatCannotBeTriedIsNotSaidToRefuseUs) {
  const json metadata = {{"KeyState", "Enabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}};
  aws.transport.answer(200, json{{"KeyMetadata", metadata}}.dump());
  aws.transport.answer(400, json{{"__type", "KeyUnavailableException"}, {"message", "later"}}.dump());
  const auto checked = check();
  ASSERT_TRUE(checked.ok());
  EXPECT_THAT(*checked, ElementsAre(AllOf(HasSubstr("key alias/dr was not tried"), HasSubstr("later"),
                                          testing::Not(HasSubstr("through EC2")))));
}

// Everybody of the account may use it, through EC2 alone.
TEST_F(KmsKeyTest, OfAwsItselfIsNotTried) {
  const json metadata = {{"KeyState", "Enabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}, {"KeyManager", "AWS"}};
  const auto checked = check_answered(200, {{"KeyMetadata", metadata}});
  ASSERT_TRUE(checked.ok());
  EXPECT_TRUE(checked->empty());
}

class TriedKmsKeyTest : public KmsKeyTest {
 protected:
  static constexpr const char* arn = "arn:aws:kms:eu-central-1:123456789012:key/1234";

  // What KMS says of the key, and of each call that EBS makes of it, in turn: "" is that it would succeed.
  Unproven tried(const std::vector<json>& answers) {
    const json metadata = {{"KeyState", "Enabled"},
                           {"KeyUsage", "ENCRYPT_DECRYPT"},
                           {"Arn", arn},
                           {"AWSAccountId", "123456789012"}};
    aws.transport.answer(200, json{{"KeyMetadata", metadata}}.dump());
    for (const json& answer : answers) {
      aws.transport.answer(400,
                           (answer.is_null() ? json{{"__type", "DryRunOperationException"}} : answer).dump());
    }
    return try_kms_key(aws.kms, arn).value();
  }
  json body(std::size_t request) const { return json::parse(aws.request(request).body_text()); }
};

TEST_F(TriedKmsKeyTest, IsAskedForEverythingThatEbsDoesWithIt) {
  EXPECT_THAT(tried({nullptr, nullptr, nullptr, nullptr}), testing::IsEmpty());
  const char* actions[] = {"DescribeKey", "GenerateDataKeyWithoutPlaintext", "Decrypt", "ReEncrypt",
                           "CreateGrant"};
  for (std::size_t i = 0; i < std::size(actions); ++i) {
    EXPECT_EQ(aws.request(i).headers.get("X-Amz-Target"), std::string("TrentService.") + actions[i]);
    if (i > 0) {
      EXPECT_EQ(body(i).at("DryRun"), true) << actions[i];
    }
  }
  EXPECT_EQ(body(2).at("DryRunModifiers"), json::array({"IGNORE_CIPHERTEXT"}));
  EXPECT_EQ(body(3).at("SourceKeyId"), arn);
  EXPECT_EQ(body(3).at("DestinationKeyId"), arn);
  EXPECT_EQ(body(4).at("GranteePrincipal"), "arn:aws:iam::123456789012:root");
  EXPECT_EQ(body(4).at("Operations"), json::array({"Decrypt"}));
}

TEST_F(TriedKmsKeyTest, ThatMayNotBeOpenedIsNotProven) {
  const json denied = {{"__type", "AccessDeniedException"}, {"message", "no policy allows it"}};
  EXPECT_THAT(tried({nullptr, denied, nullptr, nullptr}),
              ElementsAre(AllOf(HasSubstr("that EBS may use the KMS key"), HasSubstr("kms:Decrypt"))));
}

// The policy that we print lets only AWS's own services have grants.
TEST_F(TriedKmsKeyTest, WhoseGrantsAreForAwsAloneIsFineUnlessTheyAreForbidden) {
  const json implicit = {{"__type", "AccessDeniedException"},
                         {"message", "because no identity-based policy allows the kms:CreateGrant action"}};
  EXPECT_THAT(tried({nullptr, nullptr, nullptr, implicit}), testing::IsEmpty());
}

TEST_F(TriedKmsKeyTest, WhoseGrantsAreForbiddenIsNotProven) {
  const json explicit_deny = {{"__type", "AccessDeniedException"},
                              {"message", "with an explicit deny in an identity-based policy"}};
  EXPECT_THAT(tried({nullptr, nullptr, nullptr, explicit_deny}), ElementsAre(HasSubstr("kms:CreateGrant")));
}

TEST_F(TriedKmsKeyTest, OfAKmsThatWantsACiphertextIsNotDoubted) {
  const json validation = {{"__type", "ValidationException"}, {"message", "CiphertextBlob"}};
  EXPECT_THAT(tried({nullptr, validation, validation, nullptr}), testing::IsEmpty());
}

TEST_F(KmsKeyTest, ThatDoesNotExistIsNamed) {
  const auto checked = check_answered(400, {{"__type", "NotFoundException"}, {"message", "no such alias"}});
  EXPECT_EQ(checked.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(checked.error().message(), AllOf(HasSubstr("no key 'alias/dr' in region eu-central-1"),
                                               HasSubstr("aws kms list-aliases")));
}

TEST_F(KmsKeyTest, ThatEncryptsNothingIsRefusedWithTheWayOut) {
  EXPECT_THAT(refusal_of({{"KeyState", "Disabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}}),
              AllOf(HasSubstr("'Disabled'"), HasSubstr("aws kms enable-key --key-id alias/dr")));
  EXPECT_THAT(refusal_of({{"KeyState", "PendingDeletion"}, {"KeyUsage", "ENCRYPT_DECRYPT"}}),
              HasSubstr("cancel-key-deletion"));
}

TEST_F(KmsKeyTest, OfAnotherPurposeIsRefused) {
  EXPECT_THAT(refusal_of({{"KeyState", "Enabled"}, {"KeyUsage", "SIGN_VERIFY"}, {"KeySpec", "RSA_2048"}}),
              HasSubstr("made for SIGN_VERIFY (RSA_2048)"));
  EXPECT_THAT(refusal_of({{"KeyState", "Enabled"}, {"KeyUsage", "ENCRYPT_DECRYPT"}, {"KeySpec", "RSA_2048"}}),
              HasSubstr("symmetric"));
}

TEST_F(KmsKeyTest, ThatNobodyMayLookAtIsNotRefused) {
  const auto denied = check_answered(400, {{"__type", "AccessDeniedException"}, {"Message", "no"}});
  ASSERT_TRUE(denied.ok());
  EXPECT_THAT(*denied, ElementsAre(HasSubstr("whether the KMS key alias/dr may be used was not asked")));
  EXPECT_TRUE(check_answered(404, {{"__type", "UnknownOperationException"}}).ok());
  aws.transport.answer(501, "");
  EXPECT_TRUE(check().ok());
  EXPECT_TRUE(check_answered(200, json::object()).ok());
}

TEST_F(KmsKeyTest, IsNotWaitedForWhereKmsCannotBeReached) {
  aws.transport.lose_connection();
  aws.transport.lose_connection();
  EXPECT_TRUE(check().ok());
  EXPECT_EQ(aws.transport.requests().size(), 2U);
  EXPECT_LE(aws.request(0).timeout, std::chrono::seconds(5));
}

TEST_F(KmsKeyTest, HasAnArnThatKmsKnows) {
  const std::string arn = "arn:aws:kms:eu-central-1:123456789012:key/1234";
  EXPECT_EQ(*kms_key_arn(aws.kms, arn), arn);
  EXPECT_EQ(*kms_key_arn(aws.kms, ""), "");
  EXPECT_TRUE(aws.transport.requests().empty());
  aws.transport.answer(200, json({{"KeyMetadata", {{"Arn", arn}}}}).dump());
  EXPECT_EQ(*kms_key_arn(aws.kms, "alias/dr"), arn);
  aws.transport.answer(400, R"({"__type":"NotFoundException"})");
  EXPECT_EQ(kms_key_arn(aws.kms, "alias/dr").error().code(), ErrorCode::invalid_argument);
  aws.transport.answer(400, R"({"__type":"AccessDeniedException"})");
  EXPECT_THAT(kms_key_arn(aws.kms, "alias/dr").error().message(), HasSubstr("allow kms:DescribeKey"));
}

}  // namespace
}  // namespace rekindle
