#include "aws/credential_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/canned_transport.h"
#include "base/file.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class CredentialSourcesTest : public testing::Test {
 protected:
  CredentialSourcesTest() {
    variables["AWS_CONFIG_FILE"] = (folder.path() / "config").string();
    variables["AWS_SHARED_CREDENTIALS_FILE"] = (folder.path() / "credentials").string();
  }
  void write(const char* file, std::string_view text) {
    ASSERT_TRUE(write_file_atomically(folder.path() / file, text).ok());
  }
  // STS's answer to AssumeRole.
  void answer_role(std::string_view key, std::string_view expires = "2026-11-26T11:00:00Z") {
    transport.answer(
        200,
        fmt::format("<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult>"
                    "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                    "<SessionToken>t</SessionToken><Expiration>{}</Expiration></Credentials>"
                    "</AssumeRoleResult></AssumeRoleResponse>",
                    key, expires));
  }
  std::string authorization(std::size_t request) {
    return std::string(transport.requests().at(request).headers.get("Authorization"));
  }
  static std::string key(const Credentials& credentials) {
    const auto got = credentials.get();
    return got.ok() ? got->access_key_id : std::string(to_string(got.error().code()));
  }
  static std::string failure(const Credentials& credentials) {
    const auto got = credentials.get();
    return got.ok() ? "it works" : got.error().message();
  }

  TemporaryDirectory folder = TemporaryDirectory::make("aws").value();
  std::map<std::string, std::string> variables;
  CannedTransport transport;
  ManualClock clock{*from_iso8601("2026-11-26T10:00:00Z")};
  SeededRandom random{1};
  CredentialContext context{transport,      clock, random,
                            "eu-central-1", "",    [this](const char* name) { return variables[name]; }};
};

TEST_F(CredentialSourcesTest, FixedKeysMustBeComplete) {
  EXPECT_EQ(key(Credentials("AKIA", "s")), "AKIA");
  EXPECT_EQ(key(Credentials("AKIA", "")), "invalid_argument");
  EXPECT_EQ(key(Credentials()), "invalid_argument");
}

TEST_F(CredentialSourcesTest, TheEnvironmentIsReadAndMayLackThem) {
  const auto none = environment_credentials(context);
  EXPECT_EQ(none.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(none.error().message(), HasSubstr("set AWS_ACCESS_KEY_ID"));
  variables["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  variables["AWS_SECRET_ACCESS_KEY"] = "s";
  variables["AWS_SESSION_TOKEN"] = "t";
  const AwsCredentials keys = environment_credentials(context)->get().value();
  EXPECT_EQ(keys.access_key_id, "AKIAENV");
  EXPECT_EQ(keys.session_token, "t");
}

TEST_F(CredentialSourcesTest, AProfileIsOfBothFilesAndIsReadAgain) {
  write("credentials", "# kept by hand\n[ops]\naws_access_key_id = AKIAONE\naws_secret_access_key=a=b\n");
  write("config", "[default]\nregion = x\n[profile ops]\naws_access_key_id = AKIAOTHER\n s3 =\n  a = 1\n");
  const Credentials credentials = profile_credentials(context, "ops");
  EXPECT_EQ(credentials.get()->access_key_id, "AKIAONE");
  EXPECT_EQ(credentials.get()->secret_access_key, "a=b");
  write("credentials", "[ops]\naws_access_key_id = AKIATWO\naws_secret_access_key = s\n");
  EXPECT_EQ(key(credentials), "AKIAONE");
  clock.advance(std::chrono::minutes(5));
  EXPECT_EQ(key(credentials), "AKIATWO");
  write("credentials", "[ops]\naws_access_key_id = AKIATHREE\naws_secret_access_key = s\n");
  credentials.expired("AKIATWO");  // AWS does not know it any more
  EXPECT_EQ(key(credentials), "AKIATHREE");
  std::filesystem::remove(folder.path() / "credentials");
  std::filesystem::remove(folder.path() / "config");
  clock.advance(std::chrono::minutes(60));
  EXPECT_EQ(key(credentials), "AKIATHREE") << "what worked is gone on with";
}

TEST_F(CredentialSourcesTest, ASessionOfAProfileGoesOnWhenTheFilesAreReadAgain) {
  write("config",
        "[default]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\nrole_arn = arn:unused\n"
        "[profile dr]\nrole_arn = arn:r\nsource_profile = default\n");
  answer_role("ASIADR");
  const Credentials credentials = profile_credentials(context, "dr");
  EXPECT_EQ(key(credentials), "ASIADR");
  clock.advance(std::chrono::minutes(50));
  EXPECT_EQ(key(credentials), "ASIADR");
  EXPECT_EQ(transport.requests().size(), 1U) << "a source that has keys needs no role of its own";
}

TEST_F(CredentialSourcesTest, AProfileThatCannotBeUsedSaysWhy) {
  EXPECT_THAT(failure(profile_credentials(context, "ops")), HasSubstr("there is no AWS profile 'ops' in "));
  write("config",
        "[profile empty]\nregion = x\n[profile sso]\nsso_session = s\n"
        "[profile loop]\nrole_arn = arn:a\nsource_profile = pool\n"
        "[profile pool]\nrole_arn = arn:b\nsource_profile = loop\n"
        "[profile run]\nrole_arn = arn:c\ncredential_source = EcsContainer\n"
        "[profile mfa]\nrole_arn = arn:c\nmfa_serial = arn:m\ncredential_source = Ec2InstanceMetadata\n"
        "[profile tool]\ncredential_process = /bin/x\n"
        "[profile odd]\nrole_arn = arn:c\nduration_seconds = 1h\ncredential_source = Ec2InstanceMetadata\n");
  EXPECT_THAT(failure(profile_credentials(context, "empty")), HasSubstr("give it aws_access_key_id"));
  EXPECT_THAT(failure(profile_credentials(context, "sso")),
              HasSubstr("it has sso_session, which cannot be used"));
  EXPECT_THAT(failure(profile_credentials(context, "tool")), HasSubstr("it has credential_process"));
  EXPECT_THAT(failure(profile_credentials(context, "mfa")), HasSubstr("without MFA"));
  EXPECT_THAT(failure(profile_credentials(context, "loop")), HasSubstr("reached by its own source_profile"));
  EXPECT_THAT(failure(profile_credentials(context, "run")), HasSubstr("holds no access key"));
  EXPECT_THAT(failure(profile_credentials(context, "odd")), HasSubstr("no number: 1h"));
  EXPECT_TRUE(transport.requests().empty());
}

TEST_F(CredentialSourcesTest, AProfileMayNameARole) {
  write("config",
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n"
        "[profile dr]\nrole_arn = arn:aws:iam::1:role/dr\nsource_profile = base\nexternal_id = x 1\n"
        "role_session_name = me\nduration_seconds = 1800\n");
  answer_role("ASIADR");
  EXPECT_EQ(key(profile_credentials(context, "dr")), "ASIADR");
  EXPECT_THAT(authorization(0), HasSubstr("Credential=AKIABASE/20261126/eu-central-1/sts/"));
  EXPECT_EQ(transport.requests()[0].url, "https://sts.eu-central-1.amazonaws.com/");
  EXPECT_EQ(transport.form(0, "Action"), "AssumeRole");
  EXPECT_EQ(transport.form(0, "RoleArn"), "arn:aws:iam::1:role/dr");
  EXPECT_EQ(transport.form(0, "ExternalId"), "x 1");
  EXPECT_EQ(transport.form(0, "RoleSessionName"), "me");
  EXPECT_EQ(transport.form(0, "DurationSeconds"), "1800");
}

TEST_F(CredentialSourcesTest, ARoleIsAssumedAgainBeforeItEnds) {
  const Credentials role = assumed_role_credentials(context, {"AKIA", "s"}, {"arn:aws:iam::1:role/r"});
  answer_role("ASIA1");
  EXPECT_EQ(key(role), "ASIA1");
  EXPECT_EQ(transport.form(0, "ExternalId"), "");
  clock.advance(std::chrono::minutes(54));
  EXPECT_EQ(key(role), "ASIA1");
  clock.advance(std::chrono::minutes(1));
  answer_role("ASIA2", "2026-11-26T12:00:00Z");
  EXPECT_EQ(key(role), "ASIA2");
}

TEST_F(CredentialSourcesTest, ARoleThatMayNotBeAssumedSaysWhich) {
  transport.answer(403,
                   "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: "
                   "sts:AssumeRole</Message></Error></ErrorResponse>");
  const std::string said =
      failure(assumed_role_credentials(context, {"AKIA", "s"}, {"arn:aws:iam::1:role/r"}));
  EXPECT_THAT(said, HasSubstr("arn:aws:iam::1:role/r may not be assumed: its trust policy"));
  transport.answer(
      200,
      "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>"
      "<SecretAccessKey>s</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>");
  EXPECT_THAT(failure(assumed_role_credentials(context, {"AKIA", "s"}, {"arn:r"})),
              HasSubstr("SessionToken"));
}

constexpr std::string_view role_keys =
    R"({"Code":"Success","AccessKeyId":"ASIAEC2","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-26T16:00:00Z"})";

TEST_F(CredentialSourcesTest, TheInstancesRoleIsAskedForWithAToken) {
  transport.answer(200, "the-token");
  transport.answer(200, "proxy-role\n");
  transport.answer(200, role_keys);
  const auto got = instance_role_credentials(context).get();
  ASSERT_TRUE(got.ok()) << got.error().message();
  EXPECT_EQ(got->access_key_id, "ASIAEC2");
  EXPECT_EQ(got->session_token, "t");
  const auto& requests = transport.requests();
  EXPECT_EQ(requests[0].method, "PUT");
  EXPECT_EQ(requests[0].url, "http://169.254.169.254/latest/api/token");
  EXPECT_EQ(requests[0].headers.get("X-aws-ec2-metadata-token-ttl-seconds"), "21600");
  EXPECT_EQ(requests[2].url, "http://169.254.169.254/latest/meta-data/iam/security-credentials/proxy-role");
  EXPECT_EQ(requests[2].headers.get("X-aws-ec2-metadata-token"), "the-token");
}

TEST_F(CredentialSourcesTest, TheMetadataServiceMayLieElsewhereAndBeSlow) {
  variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1338/";
  transport.lose_connection();
  transport.answer(503, "");
  transport.answer(200, "the-token");
  transport.answer(200, "r");
  transport.answer(200, role_keys);
  EXPECT_EQ(key(instance_role_credentials(context)), "ASIAEC2");
  EXPECT_EQ(transport.requests()[0].url, "http://127.0.0.1:1338/latest/api/token");
}

TEST_F(CredentialSourcesTest, WithoutAnInstanceOrARoleItSaysWhatIsMissing) {
  for (int i = 0; i < 3; ++i) transport.lose_connection();
  EXPECT_THAT(failure(instance_role_credentials(context)), HasSubstr("only on an EC2 instance"));
  transport.answer(200, "the-token");
  transport.answer(404, "");
  EXPECT_THAT(failure(instance_role_credentials(context)), HasSubstr("attach an instance profile"));
  transport.answer(200, "the-token");
  transport.answer(200, "r");
  transport.answer(200, R"({"Code":"AssumeRoleUnauthorizedAccess"})");
  EXPECT_THAT(failure(instance_role_credentials(context)),
              HasSubstr("the role r, and no credentials for it (AssumeRoleUnauthorizedAccess)"));
}

}  // namespace
}  // namespace rekindle
