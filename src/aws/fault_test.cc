#include "aws/fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::HasSubstr;
using testing::Not;

AwsFault fault(int status, std::string code, std::string message = "", std::string reason = "") {
  return {status, std::move(code), std::move(message), std::move(reason)};
}

Error error_for(const AwsFault& fault) {
  return to_error(fault, {"ec2", "RunInstances", "AKIDEXAMPLE"});
}

TEST(Fault, IsReadFromTheXmlOfEc2) {
  const AwsFault read = read_fault(HttpResponse::text(
      400, "text/xml",
      "<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code>"
      "<Message>The subnet ID 'subnet-9' does not "
      "exist</Message></Error></Errors><RequestID>r</RequestID></Response>"));
  EXPECT_EQ(read.code, "InvalidSubnetID.NotFound");
  EXPECT_EQ(read.message, "The subnet ID 'subnet-9' does not exist");
  EXPECT_EQ(read.status, 400);
}

TEST(Fault, IsReadFromTheXmlOfStsWithItsNamespace) {
  const AwsFault read = read_fault(HttpResponse::text(
      403, "text/xml",
      "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
      "<Code>InvalidClientTokenId</Code><Message>invalid</Message></Error></ErrorResponse>"));
  EXPECT_EQ(read.code, "InvalidClientTokenId");
}

TEST(Fault, IsReadFromTheJsonOfEbsAndItsHeader) {
  HttpResponse response = HttpResponse::text(400, "application/json",
                                             R"({"Message":"bad token","Reason":"INVALID_BLOCK_TOKEN"})");
  response.headers.add("x-amzn-ErrorType", "ValidationException:http://internal.amazon.com/coral/");
  const AwsFault read = read_fault(response);
  EXPECT_EQ(read.code, "ValidationException");
  EXPECT_EQ(read.message, "bad token");
  EXPECT_EQ(read.reason, "INVALID_BLOCK_TOKEN");
}

TEST(Fault, OfAProxyInBetweenIsNamedByItsStatus) {
  EXPECT_EQ(read_fault(HttpResponse::text(502, "text/html", "<html><body>Bad gateway")).code, "HTTP 502");
  EXPECT_EQ(read_fault(HttpResponse::text(504, "text/plain", "")).code, "HTTP 504");
}

TEST(Fault, OfThrottlingIsThrottledWhateverItsStatus) {
  EXPECT_EQ(classify(fault(503, "RequestLimitExceeded")), FaultClass::throttled);
  EXPECT_EQ(classify(fault(400, "RequestThrottledException")), FaultClass::throttled);
  EXPECT_EQ(classify(fault(400, "ThrottlingException")), FaultClass::throttled);
}

TEST(Fault, OfCapacityIsFinalAlthoughItIsHttp500) {
  const AwsFault capacity =
      fault(500, "InsufficientInstanceCapacity", "We currently do not have sufficient capacity");
  EXPECT_EQ(classify(capacity), FaultClass::final);
  EXPECT_EQ(error_for(capacity).code(), ErrorCode::exhausted);
}

TEST(Fault, OfAnUnreadBlockIsWorthRepeating) {
  EXPECT_EQ(
      classify(fault(400, "ValidationException", "Failed to read block data", "INVALID_PARAMETER_VALUE")),
      FaultClass::broken);
  EXPECT_EQ(classify(fault(400, "ValidationException", "Invalid block index", "INVALID_BLOCK")),
            FaultClass::final);
}

TEST(Fault, OfAMissingThingIsNotFoundInAllItsForms) {
  EXPECT_TRUE(says_not_found(fault(400, "InvalidInstanceID.NotFound")));
  EXPECT_TRUE(says_not_found(fault(404, "ResourceNotFoundException")));
  EXPECT_TRUE(says_not_found(fault(400, "ValidationException", "The snapshot 'snap-1' does not exist.")));
  EXPECT_EQ(error_for(fault(400, "InvalidAMIID.NotFound")).code(), ErrorCode::not_found);
}

TEST(Fault, OfTheCallerNamesTheKeyAndTheWayOut) {
  for (const char* code : {"AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch"}) {
    const Error error = error_for(fault(401, code));
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated) << code;
    EXPECT_THAT(error.message(), HasSubstr("AKIDEXAMPLE"));
    EXPECT_THAT(error.message(), HasSubstr("rekindle account"));
  }
}

TEST(Fault, OfARegionThatIsNotServedDoesNotBlameTheSecret) {
  const Error error = error_for(
      fault(403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'mars-1'"));
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("--region"));
  EXPECT_THAT(error.message(), Not(HasSubstr("secret is wrong")));
}

TEST(Fault, OfPermissionNamesTheActionAndSparesTheReaderTheEncodedText) {
  const Error error =
      error_for(fault(403, "UnauthorizedOperation",
                      "You are not authorized. Encoded authorization failure message: 1d6rNGAXZ"));
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_THAT(error.message(), HasSubstr("ec2:RunInstances"));
  EXPECT_THAT(error.message(), Not(HasSubstr("1d6rNGAXZ")));
}

TEST(Fault, MapsToTheCodeThatCallersReactTo) {
  const std::vector<std::pair<AwsFault, ErrorCode>> cases = {
      {fault(503, "RequestLimitExceeded"), ErrorCode::unavailable},
      {fault(500, "InternalError"), ErrorCode::unavailable},
      {fault(400, "InsufficientFreeAddressesInSubnet"), ErrorCode::exhausted},
      {fault(400, "VcpuLimitExceeded"), ErrorCode::exhausted},
      {fault(400, "ConcurrentLimitExceededException"), ErrorCode::exhausted},
      {fault(400, "SnapshotLimitExceeded"), ErrorCode::exhausted},
      {fault(402, "ServiceQuotaExceededException"), ErrorCode::exhausted},
      {fault(400, "InvalidAMIName.Duplicate"), ErrorCode::already_exists},
      {fault(400, "IdempotentParameterMismatch"), ErrorCode::already_exists},
      {fault(400, "InvalidSnapshot.InUse"), ErrorCode::failed_precondition},
      {fault(400, "IncorrectInstanceState"), ErrorCode::failed_precondition},
      {fault(400, "InvalidIPAddress.InUse"), ErrorCode::failed_precondition},
      {fault(400, "InvalidParameterValue"), ErrorCode::invalid_argument},
      {fault(400, "ValidationException"), ErrorCode::invalid_argument},
      {fault(400, "ExpiredToken"), ErrorCode::unauthenticated},
      {fault(400, "InvalidAction"), ErrorCode::internal},
  };
  for (const auto& [fault, code] : cases) EXPECT_EQ(error_for(fault).code(), code) << fault.code;
}

}  // namespace
}  // namespace rekindle
