// Expected signatures: the AWS Signature Version 4 test suite (aws-sig-v4-test-suite) and the IAM ListUsers
// example of the Signature Version 4 documentation.
#include "aws/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::HasSubstr;

const AwsCredentials suite_credentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const SigningScope suite_scope{"us-east-1", "service"};

Time suite_time() {
  return *from_iso8601("2015-08-30T12:36:00Z");
}

std::string signature_of(HttpRequest request, const SigningScope& scope = suite_scope) {
  EXPECT_TRUE(sign(request, suite_credentials, scope, suite_time()).ok());
  const std::string header(request.headers.get("Authorization"));
  return header.substr(header.rfind('=') + 1);
}

HttpRequest get(std::string path_and_query) {
  HttpRequest request;
  request.url = "https://example.amazonaws.com" + std::move(path_and_query);
  return request;
}

std::string canonical(const HttpRequest& request) {
  return *canonical_request(request, "ebs", "HASH");
}

TEST(SigV4, SignsGetVanillaOfTheTestSuite) {
  HttpRequest request = get("/");
  ASSERT_TRUE(sign(request, suite_credentials, suite_scope, suite_time()).ok());
  EXPECT_EQ(request.headers.get("Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(request.headers.get("X-Amz-Date"), "20150830T123600Z");
}

TEST(SigV4, SignsTheListUsersExampleOfTheDocumentation) {
  HttpRequest request;
  request.url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
  request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  EXPECT_EQ(signature_of(request, {"us-east-1", "iam"}),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SigV4, SortsTheQueryAsTheTestSuiteDoes) {
  EXPECT_EQ(signature_of(get("/?Param2=value2&Param1=value1")),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(SigV4, EncodesTheEncodedPathOnceMoreButNotForS3) {
  const HttpRequest request = get("/a%20b/%E1%88%B4");
  EXPECT_THAT(*canonical_request(request, "ebs", "HASH"), HasSubstr("GET\n/a%2520b/%25E1%2588%25B4\n"));
  EXPECT_THAT(*canonical_request(request, "s3", "HASH"), HasSubstr("GET\n/a%20b/%E1%88%B4\n"));
}

TEST(SigV4, NormalisesThePathAsTheTestSuiteDoes) {
  for (const char* path : {"//", "/example/..", "/./", "/example1/example2/../.."}) {
    EXPECT_EQ(signature_of(get(path)), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        << path;
  }
}

TEST(SigV4, SignsPostWithAFormAsTheTestSuiteDoes) {
  HttpRequest request = get("/");
  request.method = "POST";
  request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  request.body = to_bytes(as_bytes("Param1=value1"));
  EXPECT_EQ(signature_of(request), "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST(SigV4, SortsHeadersByNameNotByLine) {
  HttpRequest request = get("/snapshots/snap-1/blocks/7");
  request.headers.add("x-amz-Checksum-Algorithm", "SHA256");
  request.headers.add("x-amz-Checksum", "abc=");
  EXPECT_EQ(canonical(request),
            "GET\n/snapshots/snap-1/blocks/7\n\n"
            "host:example.amazonaws.com\nx-amz-checksum:abc=\nx-amz-checksum-algorithm:SHA256\n\n"
            "host;x-amz-checksum;x-amz-checksum-algorithm\nHASH");
}

TEST(SigV4, EncodesTheQueryWithPercentAndKeepsEmptyValues) {
  EXPECT_THAT(canonical(get("/?b=x%20y%2B/&a&b=%2F")), HasSubstr("\na=&b=%2F&b=x%20y%2B%2F\n"));
}

TEST(SigV4, SignsTheHostWithAPortThatIsNotTheDefault) {
  HttpRequest request;
  request.url = "http://127.0.0.1:5555/";
  EXPECT_THAT(canonical(request), HasSubstr("\nhost:127.0.0.1:5555\n"));
  request.url = "https://127.0.0.1:443/";
  EXPECT_THAT(canonical(request), HasSubstr("\nhost:127.0.0.1\n"));
}

TEST(SigV4, CollapsesSpacesOfHeaderValues) {
  HttpRequest request = get("/");
  request.headers.add("X-Amz-Meta", "  a   b  ");
  EXPECT_THAT(canonical(request), HasSubstr("\nx-amz-meta:a b\n"));
}

TEST(SigV4, LeavesAnUnsignedBodyOutOfTheSignature) {
  HttpRequest request = get("/");
  request.body = to_bytes(as_bytes("one"));
  HttpRequest other = request;
  other.body = to_bytes(as_bytes("two"));
  ASSERT_TRUE(sign(request, suite_credentials, suite_scope, suite_time(), Payload::unsigned_body).ok());
  ASSERT_TRUE(sign(other, suite_credentials, suite_scope, suite_time(), Payload::unsigned_body).ok());
  EXPECT_EQ(request.headers.get("X-Amz-Content-Sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(request.headers.get("Authorization"), other.headers.get("Authorization"));
  EXPECT_THAT(std::string(request.headers.get("Authorization")),
              HasSubstr("SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
}

TEST(SigV4, SignsTheSessionToken) {
  HttpRequest request = get("/");
  AwsCredentials temporary = suite_credentials;
  temporary.session_token = "token";
  ASSERT_TRUE(sign(request, temporary, suite_scope, suite_time()).ok());
  EXPECT_EQ(request.headers.get("X-Amz-Security-Token"), "token");
  EXPECT_THAT(std::string(request.headers.get("Authorization")), HasSubstr("x-amz-security-token"));
  ASSERT_TRUE(sign(request, suite_credentials, suite_scope, suite_time()).ok());
  EXPECT_FALSE(request.headers.has("X-Amz-Security-Token")) << "that of the credentials before";
}

TEST(SigV4, SigningAgainGivesWhatSigningOnceGives) {
  HttpRequest once = get("/");
  ASSERT_TRUE(sign(once, suite_credentials, suite_scope, suite_time()).ok());
  HttpRequest twice = get("/");
  ASSERT_TRUE(sign(twice, suite_credentials, suite_scope, suite_time() + std::chrono::hours(1)).ok());
  ASSERT_TRUE(sign(twice, suite_credentials, suite_scope, suite_time()).ok());
  EXPECT_EQ(once.headers.get("Authorization"), twice.headers.get("Authorization"));
}

TEST(SigV4, RefusesWhatIsNotAUrl) {
  HttpRequest request;
  request.url = "example.amazonaws.com";
  EXPECT_EQ(sign(request, suite_credentials, suite_scope, suite_time()).error().code(),
            ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace rekindle
