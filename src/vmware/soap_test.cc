#include "vmware/soap.h"

#include <gtest/gtest.h>

#include "vmware/canned_vim_test.h"

namespace rekindle {
namespace {

Error error_of(const HttpResponse& answer) {
  const auto outcome = read_soap_answer(answer, "Do");
  if (!outcome.ok()) return outcome.error();
  CHECK(!outcome->reply);
  return to_error(outcome->fault);
}

TEST(SoapAnswer, GivesTheReturnValue) {
  const auto outcome = read_soap_answer(CannedVim::returns("Do", "<returnval>done</returnval>"), "Do");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->reply->value().text(), "done");
}

TEST(SoapAnswer, NamesThePrivilegeThatIsMissing) {
  const Error error = error_of(CannedVim::fault("NoPermission", "Permission denied.",
                                                "<object type=\"VirtualMachine\">vm-1</object><privilegeId>"
                                                "VirtualMachine.State.CreateSnapshot</privilegeId>"));
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_NE(error.message().find("'VirtualMachine.State.CreateSnapshot'"), std::string::npos)
      << error.message();
}

TEST(SoapAnswer, ToldByCallersReactionNotByType) {
  EXPECT_EQ(error_of(CannedVim::fault("MethodNotFound")).code(), ErrorCode::not_found);
  EXPECT_EQ(error_of(CannedVim::fault("ManagedObjectNotFound")).code(), ErrorCode::not_found);
  EXPECT_EQ(error_of(CannedVim::fault("TaskInProgress")).code(), ErrorCode::unavailable);
  EXPECT_EQ(error_of(CannedVim::fault("NoDiskSpace")).code(), ErrorCode::exhausted);
  EXPECT_EQ(error_of(CannedVim::fault("FileFault")).code(), ErrorCode::failed_precondition);
  EXPECT_EQ(error_of(CannedVim::fault("RestrictedVersion")).code(), ErrorCode::failed_precondition);
  EXPECT_EQ(error_of(CannedVim::fault("NobodyKnowsThis", "odd")).message(), "odd (NobodyKnowsThis)");
}

TEST(SoapAnswer, TakesTheFaultTypeFromTheNameWhereTheTypeAttributeIsMissing) {
  const auto answer = CannedVim::soap(500,
                                      "<S:Fault><faultcode>c</faultcode><faultstring>s</faultstring><detail>"
                                      "<NotAuthenticatedFault xmlns=\"urn:vim25\"/></detail></S:Fault>");
  const auto outcome = read_soap_answer(answer, "Do");
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(says_not_authenticated(*outcome));
}

TEST(SoapAnswer, SeesThatASessionIsGoneInAMissingSet) {
  const auto answer = CannedVim::returns(
      "Do",
      "<returnval><objects><obj type=\"Folder\">f</obj><missingSet><path>name</path><fault><fault "
      "i:type=\"NotAuthenticated\"/><localizedMessage/></fault></missingSet></objects></returnval>");
  EXPECT_TRUE(says_not_authenticated(read_soap_answer(answer, "Do").value()));
  const auto other =
      CannedVim::returns("Do",
                         "<returnval><objects><missingSet><fault><fault i:type=\"NoPermission\"/>"
                         "</fault></missingSet></objects></returnval>");
  EXPECT_FALSE(says_not_authenticated(read_soap_answer(other, "Do").value()));
}

TEST(SoapAnswer, TellsABootingServerFromAWrongAddress) {
  EXPECT_EQ(error_of(HttpResponse::text(503, "text/html", "<html>Service Unavailable")).code(),
            ErrorCode::unavailable);
  const Error wrong = error_of(HttpResponse::text(404, "text/html", "no such page"));
  EXPECT_EQ(wrong.code(), ErrorCode::invalid_argument);
  EXPECT_NE(wrong.message().find("check the URL"), std::string::npos);
  EXPECT_EQ(error_of(HttpResponse::text(200, "text/html", "<html></html>")).code(),
            ErrorCode::invalid_argument);
}

TEST(SoapAnswer, RefusesTheAnswerToAnotherCall) {
  const auto outcome = read_soap_answer(CannedVim::returns("Other", ""), "Do");
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::internal);
}

TEST(SoapRequest, EscapesIdsAndNamesTheVersion) {
  const HttpRequest request =
      soap_request("https://h", "6.7", {.self = {"Task", "a&b"}, .method = "CancelTask"});
  EXPECT_EQ(request.headers.get("SOAPAction"), "\"urn:vim25/6.7\"");
  EXPECT_NE(request.body_text().find("<_this type=\"Task\">a&amp;b</_this>"), std::string_view::npos);
}

TEST(ChooseVersion, TakesTheNewestThatBothKnow) {
  EXPECT_EQ(
      choose_version("<namespaces version=\"1.0\"><namespace><name>urn:vim25</name><version>6.5</version>"
                     "<priorVersions><version>6.0</version><version>5.5</version></priorVersions></namespace>"
                     "</namespaces>"),
      "6.5");
  EXPECT_EQ(
      choose_version("<namespaces><namespace><name>urn:internalvim25</name><version>6.9</version></namespace>"
                     "<namespace><name>urn:vim25</name><version>8.0.3.0</version><priorVersions>"
                     "<version>8.0.0.0</version><version>6.7.3</version><version>7.0.3.2</version>"
                     "</priorVersions></namespace></namespaces>"),
      "7.0.3.2");
  EXPECT_EQ(choose_version(""), "5.5");
  EXPECT_EQ(choose_version("<html/>"), "5.5");
}

}  // namespace
}  // namespace rekindle
