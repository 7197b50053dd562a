#include "net/url.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

TEST(Url, IsTakenApart) {
  const Url url = parse_url("HTTPS://user:pw@[::1]:8443/a/b%20c?d=e#f").value();
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a/b%20c");
  EXPECT_EQ(url.query, "d=e");
  EXPECT_EQ(url.origin(), "https://[::1]:8443");
  EXPECT_EQ(parse_url("http://host").value().origin(), "http://host");
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* text :
       {"host:1", "ftp://host", "http://", "http://host:0", "http://host:99999", "http://[::1"}) {
    EXPECT_FALSE(parse_url(text).ok()) << text;
  }
}

TEST(Url, EncodesAndDecodesByRfc3986) {
  EXPECT_EQ(percent_encode("a b/ü~+"), "a%20b%2F%C3%BC~%2B");
  EXPECT_EQ(percent_encode("a/b c", true), "a/b%20c");
  EXPECT_EQ(percent_decode("a%20b+c%zz"), "a b+c%zz");
  EXPECT_EQ(parse_query("a=1&b=x+y%26&c"), (QueryParameters{{"a", "1"}, {"b", "x y&"}, {"c", ""}}));
  EXPECT_EQ(encode_query({{"a b", "c&d"}}), "a%20b=c%26d");
}

}  // namespace
}  // namespace rekindle
