#include "aws/query_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/canned_transport.h"

namespace rekindle {
namespace {

TEST(QueryForm, EncodesListsFiltersAndTagsAsEc2Wants) {
  QueryForm form("DescribeInstances");
  form.list("InstanceId", {"i-1", "i-2"}).filter("subnet-id", {"subnet-1", "subnet-2"});
  form.tag_filters({{"name", "a b"}})
      .tags_of("instance", {{"k", "v"}, {"l", "w"}})
      .tags_of("volume", {{"k", "v"}});
  EXPECT_EQ(form.encode("2016-11-15"),
            "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2"
            "&Filter.1.Name=subnet-id&Filter.1.Value.1=subnet-1&Filter.1.Value.2=subnet-2"
            "&Filter.2.Name=tag%3Aname&Filter.2.Value.1=a%20b"
            "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag."
            "1.Value=v"
            "&TagSpecification.1.Tag.2.Key=l&TagSpecification.1.Tag.2.Value=w"
            "&TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=k&TagSpecification.2.Tag.1."
            "Value=v");
}

TEST(QueryForm, TakesWildcardsOfFilterValuesLiterally) {
  QueryForm form("DescribeImages");
  form.filter("name", {"db*?\\1"});
  EXPECT_THAT(form.encode("v"), testing::EndsWith("Filter.1.Value.1=db%5C%2A%5C%3F%5C%5C1"));
}

TEST(QueryForm, LeavesOutWhatIsEmpty) {
  QueryForm form("RunInstances");
  form.set_if("SubnetId", "")
      .tags_of("instance", {})
      .tag_filters({})
      .list("SecurityGroupId", {})
      .flag("DryRun", true);
  EXPECT_EQ(form.encode("v"), "Action=RunInstances&Version=v&DryRun=true");
}

class QueryClientTest : public testing::Test {
 protected:
  static std::string page(std::string_view id, std::string_view next) {
    return fmt::format("<R xmlns='urn:ec2'><set>{}</set>{}</R>",
                       id.empty() ? "" : fmt::format("<item><id>{}</id></item>", id),
                       next.empty() ? "" : fmt::format("<nextToken>{}</nextToken>", next));
  }
  Result<std::vector<std::string>> ids() {
    std::vector<std::string> found;
    auto read = [&](const QueryElement& root) -> Result<> {
      for (const QueryElement& item : root.items("set")) found.push_back(item.text("id"));
      return {};
    };
    TRY(client.pages(QueryForm("DescribeThings"), read));
    return found;
  }

  const Time start = *from_iso8601("2026-11-22T12:00:00Z");
  CannedTransport transport;
  ManualClock clock{start};
  SeededRandom random{1};
  QueryClient client{
      *ServiceClient::make({"ec2", "eu-central-1", "http://127.0.0.1:1", {"AKID", "secret", ""}}, transport,
                           clock, random),
      "2016-11-15", clock};
};

TEST_F(QueryClientTest, FollowsThePagesThroughAnEmptyOne) {
  transport.answer(200, page("a", "t1"));
  transport.answer(200, page("", "t2"));
  transport.answer(200, page("b", ""));
  const auto found = ids();
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(transport.form(0, "NextToken"), "");
  EXPECT_EQ(transport.form(1, "NextToken"), "t1");
  EXPECT_EQ(transport.form(2, "NextToken"), "t2");
}

TEST_F(QueryClientTest, DoesNotFollowATokenThatRepeatsForEver) {
  transport.answer(200, page("a", "t1"));
  transport.answer(200, page("a", "t1"));
  EXPECT_EQ(ids().error().code(), ErrorCode::internal);
}

TEST_F(QueryClientTest, RefusesAnAnswerThatIsNotXml) {
  transport.answer(200, "hello");
  EXPECT_EQ(client.call(QueryForm("DescribeThings")).error().code(), ErrorCode::internal);
}

TEST_F(QueryClientTest, HoldsTheQuotaOfEachActionForItself) {
  for (int i = 0; i < 80; ++i) transport.answer(200, page("", ""));
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(client.call(QueryForm("CreateVolume")).ok());
  EXPECT_EQ(clock.now(), start) << "the burst that AWS allows";
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(client.call(QueryForm("CreateVolume")).ok());
  EXPECT_EQ(clock.now() - start, std::chrono::seconds(2)) << "then five a second";
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.call(QueryForm("DescribeVolumes")).ok());
  EXPECT_EQ(clock.now() - start, std::chrono::seconds(2));
}

}  // namespace
}  // namespace rekindle
