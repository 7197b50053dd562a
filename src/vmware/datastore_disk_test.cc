#include "vmware/datastore_disk.h"

#include <gtest/gtest.h>

#include "base/parallel.h"
#include "vmware/canned_vim_test.h"

namespace rekindle {
namespace {

constexpr RetryPolicy quick{.attempts = 3, .first_pause = std::chrono::milliseconds(1)};
const DatastorePath descriptor_path{"ds 1", "web & co/web.vmdk"};

class DatastoreDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    server.files[descriptor_path.str()] =
        "# Disk DescriptorFile\nparentCID=ffffffff\nRW 8 VMFS \"web-flat.vmdk\"\nRW 2 ZERO\nRW 4 FLAT "
        "\"more.vmdk\" 2\n";
    server.files["[ds 1] web & co/web-flat.vmdk"] = pattern(8 * 512, 'a');
    server.files["[ds 1] web & co/more.vmdk"] = pattern(6 * 512, 'k');
    content = pattern(8 * 512, 'a') + std::string(2 * 512, '\0') + pattern(6 * 512, 'k').substr(2 * 512);
    session =
        VimSession::open({.url = "vc", .user = "u", .password = "p", .retry = quick}, server, clock, random)
            .value();
  }

  // No two sectors of it are alike.
  static std::string pattern(std::size_t length, char first) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i)
      text += static_cast<char>(first + static_cast<char>((i / 512 + i % 7) % 20));
    return text;
  }
  Result<std::unique_ptr<DatastoreDisk>> open() {
    return DatastoreDisk::open(
        *session, "Europe/DC & 1", descriptor_path, 14UL * 512,
        [this]() -> Result<Extents> { return ++in_use_asked, Extents{{0, 1024}, {4096, 512}}; });
  }
  static Result<std::string> read(BlockSource& disk, std::uint64_t offset, std::size_t length) {
    std::string text(length, '?');
    TRY(disk.read_at(offset, std::as_writable_bytes(std::span(text))));
    return text;
  }
  Error read_error(std::function<HttpResponse(const HttpRequest&)> folder) {
    server.folder = nullptr;
    auto disk = open().value();
    server.folder = std::move(folder);
    const auto got = read(*disk, 0, 512);
    CHECK(!got.ok());
    return got.error();
  }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::unique_ptr<VimSession> session;
  std::string content;
  int in_use_asked = 0;
};

TEST_F(DatastoreDiskTest, ReadsAcrossItsExtents) {
  auto disk = open();
  ASSERT_TRUE(disk.ok()) << disk.error().message();
  EXPECT_EQ((*disk)->size(), content.size());
  EXPECT_EQ(read(**disk, 0, content.size()).value(), content);
  for (const auto& [offset, length] : std::vector<std::pair<std::size_t, std::size_t>>{
           {0, 1}, {4095, 2}, {4096, 1024}, {5119, 2}, {5120, 2048}, {7167, 1}, {7168, 0}}) {
    EXPECT_EQ(read(**disk, offset, length).value(), content.substr(offset, length)) << offset;
  }
}

TEST_F(DatastoreDiskTest, ServesManyThreads) {
  auto disk = open().value();
  const auto all = parallel_for(content.size() / 512, 4, {}, [&](std::size_t sector) -> Result<> {
    const std::string got = TRY(read(*disk, sector * 512, 512));
    if (got != content.substr(sector * 512, 512)) return error(ErrorCode::corrupt, "sector {}", sector);
    return {};
  });
  EXPECT_TRUE(all.ok()) << all.error().message();
}

TEST_F(DatastoreDiskTest, TellsWhichPartsAreInUseAndAsksOnce) {
  auto disk = open().value();
  EXPECT_EQ(disk->data_extents({512, 4000}).value(), (Extents{{512, 512}, {4096, 416}}));
  EXPECT_TRUE(disk->data_extents({6000, 100}).value().empty());
  EXPECT_EQ(in_use_asked, 1);
}

TEST_F(DatastoreDiskTest, SaysWhichTransportALockedFileNeeds) {
  const Error error =
      read_error([](const HttpRequest&) { return HttpResponse::text(500, "text/html", "busy"); });
  EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  EXPECT_NE(error.message().find("web-flat.vmdk' locked"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("nbd or hotadd"), std::string::npos) << error.message();
}

TEST_F(DatastoreDiskTest, SaysThatTheMachineWasDeletedMeanwhile) {
  const Error error = read_error([](const HttpRequest&) { return HttpResponse::text(404, "text/html", ""); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_NE(error.message().find("deleted meanwhile"), std::string::npos);
}

TEST_F(DatastoreDiskTest, RefusesOtherBytesThanItAskedFor) {
  const auto partial = [](const std::string& range, std::size_t length) {
    return [=](const HttpRequest&) {
      HttpResponse answer = HttpResponse::text(206, "x/y", std::string(length, 'x'));
      answer.headers.add("Content-Range", range);
      return answer;
    };
  };
  EXPECT_EQ(read_error(partial("bytes 512-1023/4096", 512)).code(), ErrorCode::internal);
  EXPECT_EQ(read_error(partial("", 512)).code(), ErrorCode::internal);
  EXPECT_EQ(read_error(partial("bytes 0-511/4096", 511)).code(), ErrorCode::internal);
  const auto whole = [](const HttpRequest&) { return HttpResponse::text(200, "x/y", std::string(512, 'x')); };
  EXPECT_EQ(read_error(whole).code(), ErrorCode::internal);
  const auto short_file = [](const HttpRequest&) { return HttpResponse::text(416, "x/y", ""); };
  EXPECT_EQ(read_error(short_file).code(), ErrorCode::corrupt);
}

TEST_F(DatastoreDiskTest, RidesOutAServerThatIsBrieflyOverloaded) {
  auto disk = open().value();
  int calls = 0;
  server.folder = [&](const HttpRequest&) { return HttpResponse::text(++calls < 3 ? 503 : 100, "", ""); };
  EXPECT_EQ(read(*disk, 0, 512).value(), content.substr(0, 512));
  calls = -10;
  EXPECT_EQ(read(*disk, 0, 512).error().code(), ErrorCode::unavailable);
}

TEST_F(DatastoreDiskTest, LogsInAgainWhenTheSessionEndsInTheMiddle) {
  auto disk = open().value();
  server.folder = [](const HttpRequest& request) {
    const bool renewed = request.headers.get("Cookie") == "vmware_soap_session=\"s2\"";
    return HttpResponse::text(renewed ? 100 : 401, "", "");
  };
  EXPECT_EQ(read(*disk, 512, 512).value(), content.substr(512, 512));
  EXPECT_EQ(server.count("Login"), 2);
  server.folder = [](const HttpRequest&) { return HttpResponse::text(401, "", ""); };
  EXPECT_EQ(read(*disk, 0, 512).error().code(), ErrorCode::unauthenticated);
}

TEST_F(DatastoreDiskTest, RefusesADescriptorOfAnotherSize) {
  server.files[descriptor_path.str()] = "# Disk DescriptorFile\nRW 8 VMFS \"web-flat.vmdk\"\n";
  EXPECT_EQ(open().error().code(), ErrorCode::failed_precondition);
  server.files[descriptor_path.str()] = "garbage";
  EXPECT_EQ(open().error().code(), ErrorCode::corrupt);
  server.files.erase(descriptor_path.str());
  EXPECT_EQ(open().error().code(), ErrorCode::not_found);
}

TEST(DatastorePath, TakesApartAndRefuses) {
  const auto path = DatastorePath::parse("[nfs (1)] dir/a b.vmdk").value();
  EXPECT_EQ(path.datastore, "nfs (1)");
  EXPECT_EQ(path.sibling("a b-flat.vmdk").str(), "[nfs (1)] dir/a b-flat.vmdk");
  for (const char* text :
       {"", "x.vmdk", "[] x", "[ds]", "[ds] ", "[ds] /etc/passwd", "[ds] a/../../b", "[ds"}) {
    EXPECT_FALSE(DatastorePath::parse(text).ok()) << text;
  }
}

TEST(DownloadUrl, EncodesEachPart) {
  EXPECT_EQ(download_url("https://h:444", "Europe/DC", {"ds 1", "a b/c#1.vmdk"}),
            "https://h:444/folder/a%20b/c%231.vmdk?dcPath=Europe%2FDC&dsName=ds%201");
}

}  // namespace
}  // namespace rekindle
