#include "aws/instance_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/advisers_for_tests.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

constexpr const char* arn = "arn:aws:iam::123456789012:instance-profile/shop/web-role";

std::string profile_xml(std::string_view roles) {
  return fmt::format(
      "<GetInstanceProfileResponse "
      "xmlns='https://iam.amazonaws.com/doc/2010-05-08/'><GetInstanceProfileResult>"
      "<InstanceProfile><Arn>{}</Arn><Roles>{}</Roles></InstanceProfile></GetInstanceProfileResult>"
      "</GetInstanceProfileResponse>",
      arn, roles);
}
std::string fault_xml(std::string_view code) {
  return fmt::format(
      "<ErrorResponse xmlns='https://iam.amazonaws.com/doc/2010-05-08/'><Error><Code>{}</Code>"
      "<Message>m</Message></Error></ErrorResponse>",
      code);
}
constexpr const char* a_role = "<member><RoleName>web</RoleName></member>";

class InstanceProfileTest : public testing::Test {
 protected:
  Result<Unproven> check_answered(int status, const std::string& answer,
                                  const std::string& profile = "web-role") {
    aws.transport.answer(status, answer);
    return check_instance_profile(aws.iam, profile);
  }

  CannedAdvisers aws;
};

TEST_F(InstanceProfileTest, IsAskedForByItsName) {
  EXPECT_TRUE(check_answered(200, profile_xml(a_role)).ok());
  EXPECT_TRUE(check_answered(200, profile_xml(a_role), arn).ok());
  for (const std::size_t index : {0U, 1U}) {
    EXPECT_EQ(aws.transport.form(index, "Action"), "GetInstanceProfile");
    EXPECT_EQ(aws.transport.form(index, "Version"), "2010-05-08");
    EXPECT_EQ(aws.transport.form(index, "InstanceProfileName"), "web-role");
  }
  EXPECT_THAT(std::string(aws.request(0).headers.get("Authorization")),
              HasSubstr("/us-east-1/iam/aws4_request"));
}

TEST_F(InstanceProfileTest, ThatIsNotThereIsNamed) {
  const auto checked = check_answered(404, fault_xml("NoSuchEntity"));
  EXPECT_EQ(checked.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(checked.error().message(), HasSubstr("no instance profile 'web-role'"));
  const std::string other = "arn:aws:iam::123456789012:instance-profile/web-role";
  EXPECT_THAT(check_answered(200, profile_xml(a_role), other).error().message(), HasSubstr(arn));
}

TEST_F(InstanceProfileTest, WithoutARoleLaunchesNothing) {
  EXPECT_THAT(check_answered(200, profile_xml("")).error().message(), HasSubstr("has no role"));
}

TEST_F(InstanceProfileTest, ThatNobodyMayLookAtIsNotRefused) {
  const auto denied = check_answered(403, fault_xml("AccessDenied"));
  ASSERT_TRUE(denied.ok());
  ASSERT_EQ(denied->size(), 1U);
  EXPECT_THAT(denied->front(), HasSubstr("instance profile web-role was not asked"));
  EXPECT_TRUE(check_answered(400, fault_xml("InvalidAction")).ok());
  EXPECT_TRUE(check_answered(404, "not here").ok());
  EXPECT_TRUE(check_answered(200, "<R/>").ok());
  aws.transport.lose_connection();
  aws.transport.lose_connection();
  EXPECT_TRUE(check_instance_profile(aws.iam, "web-role").ok());
  EXPECT_EQ(aws.transport.unused(), 0U);
}

TEST(IamOptions, NameTheOneIamOfThePartition) {
  const auto of = [](const char* region, const char* endpoint = "") {
    return iam_options({"ec2", region, endpoint, {"AKID", "secret", ""}});
  };
  EXPECT_EQ(of("eu-central-1").region, "us-east-1");
  EXPECT_EQ(of("eu-central-1").endpoint, "https://iam.amazonaws.com");
  EXPECT_EQ(of("cn-northwest-1").region, "cn-north-1");
  EXPECT_EQ(of("cn-northwest-1").endpoint, "https://iam.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(of("us-gov-east-1").region, "us-gov-west-1");
  EXPECT_EQ(of("eu-central-1", "http://127.0.0.1:1").endpoint, "http://127.0.0.1:1");
  EXPECT_EQ(of("eu-central-1").service, "iam");
}

}  // namespace
}  // namespace rekindle
