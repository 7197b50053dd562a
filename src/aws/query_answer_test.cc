#include "aws/query_answer.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

QueryAnswer parse(std::string_view text) {
  return *QueryAnswer::parse(as_bytes(text));
}

TEST(QueryAnswer, FindsChildrenWhateverThePrefix) {
  for (const char* text :
       {"<r xmlns='urn:a'><size>7</size></r>", "<a:r xmlns:a='urn:a'><a:size>7</a:size></a:r>",
        "<a:r xmlns:a='urn:a' xmlns:b='urn:a'><b:size>7</b:size></a:r>"}) {
    EXPECT_EQ(*parse(text).root().number("size"), 7U) << text;
  }
}

TEST(QueryAnswer, DoesNotTakeANameFromAnotherNamespace) {
  const QueryAnswer answer = parse("<r xmlns='urn:a' xmlns:b='urn:b'><b:size>1</b:size><size>2</size></r>");
  EXPECT_EQ(answer.root().text("size"), "2");
}

TEST(QueryAnswer, ReadsListsOfItems) {
  const QueryAnswer answer = parse("<r><set><item><id>a</id></item><item><id>b</id></item></set><none/></r>");
  ASSERT_EQ(answer.root().items("set").size(), 2U);
  EXPECT_EQ(answer.root().items("set")[1].text("id"), "b");
  EXPECT_TRUE(answer.root().items("none").empty());
  EXPECT_TRUE(answer.root().items("absent").empty());
}

TEST(QueryAnswer, SaysWhatIsMissingOrNotANumber) {
  const QueryAnswer answer = parse("<r><size>big</size></r>");
  EXPECT_EQ(answer.root().number("size").error().code(), ErrorCode::internal);
  EXPECT_EQ(answer.root().number("other").error().code(), ErrorCode::internal);
  EXPECT_EQ(answer.root().required("other").error().message(), "AWS answered <r> without <other>");
}

TEST(QueryAnswer, RefusesWhatIsNotXml) {
  EXPECT_FALSE(QueryAnswer::parse(as_bytes("{\"json\": true}")).ok());
  EXPECT_FALSE(QueryAnswer::parse(as_bytes("")).ok());
  EXPECT_FALSE(QueryAnswer::parse(as_bytes("<html><body>")).ok());
}

}  // namespace
}  // namespace rekindle
