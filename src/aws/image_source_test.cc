#include "aws/image_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "aws/canned_transport.h"

namespace rekindle {
namespace {

using nlohmann::json;
using testing::ElementsAre;

const ImageId image("snap-1");

// The reading half of the EBS direct APIs for one snapshot, with tokens that can be made to expire.
class SnapshotServer final : public HttpTransport {
 public:
  void put(std::uint64_t index, char fill) {
    blocks_[index] = Bytes(image_block_bytes, static_cast<std::byte>(fill));
  }
  void expire_tokens() { ++generation_; }

  std::size_t page_blocks = 2;
  std::size_t lists = 0;
  std::vector<std::uint64_t> reads;

  Result<HttpResponse> send(const HttpRequest& request) override {
    const Url url = *parse_url(request.url);
    std::map<std::string, std::string> query;
    for (auto& [name, value] : parse_query(url.query, false)) query[name] = value;
    const std::string list_path = "/snapshots/snap-1/blocks";
    if (url.path == list_path) return list(query);
    return read(std::stoull(url.path.substr(list_path.size() + 1)), query["blockToken"]);
  }

 private:
  std::string token(std::uint64_t index) const { return fmt::format("{}+{}", index, generation_); }

  HttpResponse list(std::map<std::string, std::string>& query) {
    ++lists;
    const bool first = query["pageToken"].empty();
    const std::string from = first ? query["startingBlockIndex"] : query["pageToken"];
    json body{{"Blocks", json::array()}, {"ExpiryTime", 4102444800}, {"BlockSize", 524288}};
    if (first && from.empty() && page_blocks == 1) {  // AWS may answer an empty page with more to come
      body["NextToken"] = "0";
      return HttpResponse::text(200, "application/json", body.dump());
    }
    for (auto at = blocks_.lower_bound(from.empty() ? 0 : std::stoull(from)); at != blocks_.end(); ++at) {
      if (body["Blocks"].size() == page_blocks) {
        body["NextToken"] = std::to_string(at->first);
        break;
      }
      body["Blocks"].push_back({{"BlockIndex", at->first}, {"BlockToken", token(at->first)}});
    }
    return HttpResponse::text(200, "application/json", body.dump());
  }

  HttpResponse read(std::uint64_t index, const std::string& given) {
    if (given != token(index)) {
      auto refused =
          HttpResponse::text(400, "application/json", R"({"Message":"no","Reason":"INVALID_BLOCK_TOKEN"})");
      refused.headers.add("x-amzn-ErrorType", "ValidationException");
      return refused;
    }
    reads.push_back(index);
    HttpResponse response;
    response.body = blocks_.at(index);
    response.headers.add("x-amz-Checksum", to_base64(sha256(response.body)));
    return response;
  }

  std::map<std::uint64_t, Bytes> blocks_;
  int generation_ = 0;
};

class EbsImageSourceTest : public testing::Test {
 protected:
  std::unique_ptr<EbsImageSource> open() {
    auto opened = EbsImageSource::open(image, gib, ebs, clock, {});
    EXPECT_TRUE(opened.ok());
    return *std::move(opened);
  }
  static std::string read(EbsImageSource& source, std::uint64_t offset, std::size_t length) {
    Bytes bytes(length, std::byte{'?'});
    const auto result = source.read_at(offset, bytes);
    EXPECT_TRUE(result.ok()) << result.error().message();
    return std::string(as_text(bytes));
  }

  SnapshotServer server;
  ManualClock clock{*from_iso8601("2026-11-22T12:00:00Z")};
  SeededRandom random{1};
  EbsClient ebs{*ServiceClient::make({"ebs", "eu-central-1", "http://127.0.0.1:1", {"AKID", "s", ""}}, server,
                                     clock, random),
                EbsQuotas(), clock};
};

TEST_F(EbsImageSourceTest, ReadsAcrossBlocksAndHoles) {
  server.put(0, 'a');
  server.put(2, 'c');
  const auto source = open();
  EXPECT_EQ(source->size(), gib);
  EXPECT_EQ(read(*source, image_block_bytes - 2, 4), std::string("aa\0\0", 4));
  EXPECT_EQ(read(*source, 2 * image_block_bytes - 1, 3), std::string("\0cc", 3));
  EXPECT_EQ(read(*source, gib - 1, 1), std::string("\0", 1));
}

TEST_F(EbsImageSourceTest, KnowsItsDataFromAllPagesEvenEmptyOnes) {
  server.page_blocks = 1;
  for (std::uint64_t index : {1U, 2U, 9U}) server.put(index, 'x');
  const auto source = open();
  const auto data = source->data_extents({0, gib});
  ASSERT_TRUE(data.ok());
  EXPECT_THAT(*data, ElementsAre(Extent{image_block_bytes, 2 * image_block_bytes},
                                 Extent{9 * image_block_bytes, image_block_bytes}));
  EXPECT_THAT(*source->data_extents({0, image_block_bytes + 10}), ElementsAre(Extent{image_block_bytes, 10}));
}

TEST_F(EbsImageSourceTest, FetchesABlockOnceForManySmallReads) {
  server.put(4, 'x');
  const auto source = open();
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(read(*source, 4 * image_block_bytes + i * 4096, 2), "xx");
  EXPECT_THAT(server.reads, ElementsAre(4U));
}

TEST_F(EbsImageSourceTest, ListsAgainWhenATokenIsRefused) {
  server.put(0, 'a');
  server.put(1, 'b');
  const auto source = open();
  server.expire_tokens();
  EXPECT_EQ(read(*source, image_block_bytes, 2), "bb");
  EXPECT_EQ(server.lists, 2U);
  EXPECT_EQ(read(*source, 0, 2), "aa");
  EXPECT_EQ(server.lists, 2U) << "the new list serves its neighbours";
}

TEST_F(EbsImageSourceTest, RefusesToReadBeyondItsEnd) {
  const auto source = open();
  Bytes bytes(2);
  EXPECT_EQ(source->read_at(gib - 1, bytes).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(source->read_at(~std::uint64_t{0}, bytes).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace rekindle
