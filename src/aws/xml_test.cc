#include "aws/xml.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

XmlAnswer parse(std::string_view text) {
  return *XmlAnswer::parse(as_bytes(text));
}

TEST(XmlAnswer, FindsChildrenWhateverThePrefix) {
  for (const char* text :
       {"<r xmlns='urn:a'><size>7</size></r>", "<a:r xmlns:a='urn:a'><a:size>7</a:size></a:r>",
        "<a:r xmlns:a='urn:a' xmlns:b='urn:a'><b:size>7</b:size></a:r>"}) {
    EXPECT_EQ(*parse(text).root().number("size"), 7U) << text;
  }
}

TEST(XmlAnswer, DoesNotTakeANameFromAnotherNamespace) {
  const XmlAnswer answer = parse("<r xmlns='urn:a' xmlns:b='urn:b'><b:size>1</b:size><size>2</size></r>");
  EXPECT_EQ(answer.root().text("size"), "2");
}

TEST(XmlAnswer, ReadsListsOfItems) {
  const XmlAnswer answer = parse("<r><set><item><id>a</id></item><item><id>b</id></item></set><none/></r>");
  ASSERT_EQ(answer.root().items("set").size(), 2U);
  EXPECT_EQ(answer.root().items("set")[1].text("id"), "b");
  EXPECT_TRUE(answer.root().items("none").empty());
  EXPECT_TRUE(answer.root().items("absent").empty());
}

TEST(XmlAnswer, SaysWhatIsMissingOrNotANumber) {
  const XmlAnswer answer = parse("<r><size>big</size></r>");
  EXPECT_EQ(answer.root().number("size").error().code(), ErrorCode::internal);
  EXPECT_EQ(answer.root().number("other").error().code(), ErrorCode::internal);
  EXPECT_EQ(answer.root().required("other").error().message(), "AWS answered <r> without <other>");
}

TEST(XmlAnswer, RefusesWhatIsNotXml) {
  EXPECT_FALSE(XmlAnswer::parse(as_bytes("{\"json\": true}")).ok());
  EXPECT_FALSE(XmlAnswer::parse(as_bytes("")).ok());
  EXPECT_FALSE(XmlAnswer::parse(as_bytes("<html><body>")).ok());
}

}  // namespace
}  // namespace rekindle
