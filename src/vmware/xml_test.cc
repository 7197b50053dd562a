#include "vmware/xml.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

// One value as three servers write it: vcsim 0.24, the newest vcsim, vSphere.
TEST(XmlElement, FindsTheTypeUnderAnyPrefix) {
  for (
      const std::string_view text :
      {R"(<val xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" XMLSchema-instance:type="xsd:string">vm</val>)",
       R"(<val xmlns:_XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" _XMLSchema-instance:type="string">vm</val>)",
       R"(<val xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xsd:string">vm</val>)"}) {
    const auto document = XmlDocument::parse(text).value();
    EXPECT_EQ(document->root().xsi_type(), "string") << text;
    EXPECT_EQ(document->root().text(), "vm");
  }
}

TEST(XmlElement, IsNotFooledByATypeOfAnotherNamespace) {
  const auto document =
      XmlDocument::parse(R"(<val xmlns:xsi="urn:other" xsi:type="a" type="Task">x</val>)").value();
  EXPECT_EQ(document->root().xsi_type(), "");
  EXPECT_EQ(document->root().reference_type(), "Task");
}

TEST(XmlElement, FindsChildrenByNamespaceNotByPrefix) {
  const auto document = XmlDocument::parse(R"(<a xmlns="urn:vim25" xmlns:o="urn:other" xmlns:v="urn:vim25">
      <o:b>other</o:b><v:b>first</v:b><b xmlns="urn:other">also other</b><b><c>second</c></b></a>)")
                            .value();
  EXPECT_EQ(document->root().child("b").text(), "first");
  ASSERT_EQ(document->root().children("b").size(), 2U);
  EXPECT_EQ(document->root().children("b")[1].at("c").text(), "second");
  EXPECT_EQ(document->root().children().size(), 4U);
}

TEST(XmlElement, AnswersForWhatIsAbsentWithNothing) {
  const auto document = XmlDocument::parse(R"(<a xmlns="urn:vim25"/>)").value();
  const XmlElement none = document->root().at("b.c.d");
  EXPECT_FALSE(none);
  EXPECT_EQ(none.text(), "");
  EXPECT_EQ(none.xsi_type(), "");
  EXPECT_TRUE(none.children().empty());
  EXPECT_FALSE(none.number().has_value());
}

TEST(XmlElement, ReadsOnlyWholeNumbers) {
  const auto number = [](std::string_view text) {
    return XmlDocument::parse(fmt::format("<n>{}</n>", text)).value()->root().number();
  };
  EXPECT_EQ(number("18446744073709551615"), 18446744073709551615ULL);
  EXPECT_FALSE(number("18446744073709551616").has_value());
  EXPECT_FALSE(number("-1").has_value());
  EXPECT_FALSE(number("12 ").has_value());
}

TEST(XmlDocument, RefusesWhatIsNotXml) {
  for (const std::string_view text : {"", "not xml", "<a><b></a>", "<a"}) {
    const auto document = XmlDocument::parse(text);
    ASSERT_FALSE(document.ok()) << text;
    EXPECT_EQ(document.error().code(), ErrorCode::internal);
  }
}

TEST(XmlEscape, SurvivesAParser) {
  const std::string text = "<&>\"'\r\n ]]> ü";
  EXPECT_EQ(XmlDocument::parse(xml_element("a", text)).value()->root().text(), text);
}

}  // namespace
}  // namespace rekindle
