#include "vmware/changed_areas.h"

#include <gtest/gtest.h>

#include "vmware/canned_vim_test.h"

namespace rekindle {
namespace {

constexpr auto since = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";

class ChangedAreas : public testing::Test {
 protected:
  void SetUp() override {
    session =
        VimSession::open({.url = "https://vc", .user = "u", .password = "p"}, server, clock, random).value();
  }

  struct Page {
    std::uint64_t start;
    std::uint64_t length;
    Extents areas;
  };
  // The server answers these pages one after the other, whatever it is asked for.
  void answer(std::vector<Page> pages) {
    server.methods["QueryChangedDiskAreas"] = [pages = std::move(pages), next = 0U,
                                               this](const XmlElement& call) mutable {
      asked.push_back(call.child("startOffset").number().value());
      const Page& page = pages.at(next++);
      std::string xml =
          fmt::format("<startOffset>{}</startOffset><length>{}</length>", page.start, page.length);
      for (const Extent& area : page.areas) {
        xml += fmt::format("<changedArea><start>{}</start><length>{}</length></changedArea>", area.offset,
                           area.length);
      }
      return CannedVim::returns("QueryChangedDiskAreas", "<returnval>" + xml + "</returnval>");
    };
  }
  Result<Extents> query() { return query_changed_areas(*session, disk, since); }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::unique_ptr<VimSession> session;
  TrackedDisk disk{{"VirtualMachine", "vm-1"}, {"VirtualMachineSnapshot", "snapshot-2"}, 2000, 1000};
  std::vector<std::uint64_t> asked;
};

TEST_F(ChangedAreas, AsksOnWhereThePageBeforeEndedAndNeverAtTheEnd) {
  answer({{0, 600, {{0, 100}, {500, 100}}}, {600, 300, {{600, 50}}}, {900, 100, {}}});
  const auto areas = query();
  ASSERT_TRUE(areas.ok()) << areas.error().message();
  EXPECT_EQ(*areas, (Extents{{0, 100}, {500, 150}}));
  EXPECT_EQ(asked, (std::vector<std::uint64_t>{0, 600, 900}));
}

TEST_F(ChangedAreas, AsksInTheOrderOfTheSchema) {
  answer({{0, 1000, {}}});
  EXPECT_TRUE(query().value().empty());
  EXPECT_NE(server.bodies.back().find(
                "<_this type=\"VirtualMachine\">vm-1</_this><snapshot "
                "type=\"VirtualMachineSnapshot\">snapshot-2</snapshot><deviceKey>2000</deviceKey>"
                "<startOffset>0</startOffset><changeId>52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b "
                "65 63/81</changeId>"),
            std::string::npos)
      << server.bodies.back();
}

TEST_F(ChangedAreas, RefusesPagesThatContradictTheQuestion) {
  for (const Page& page : {Page{100, 900, {}}, Page{0, 0, {}}, Page{0, 1001, {}}, Page{0, 1000, {{900, 101}}},
                           Page{0, 500, {{600, 1}}}, Page{0, 1000, {{~0ULL, 2}}}}) {
    answer({page});
    const auto areas = query();
    ASSERT_FALSE(areas.ok()) << page.start << "+" << page.length;
    EXPECT_EQ(areas.error().code(), ErrorCode::internal);
  }
}

TEST_F(ChangedAreas, AsksForAFullBackupWhenTheServerCannotTell) {
  for (const char* type : {"FileFault", "InvalidArgument", "NotSupported", "MethodNotFound"}) {
    server.methods["QueryChangedDiskAreas"] = [type](const XmlElement&) {
      return CannedVim::fault(type, "Error caused by file /vmfs/volumes/x/x.vmdk");
    };
    const auto areas = query();
    ASSERT_FALSE(areas.ok()) << type;
    EXPECT_EQ(areas.error().code(), ErrorCode::failed_precondition) << type;
    EXPECT_NE(areas.error().message().find("full backup"), std::string::npos);
  }
}

TEST_F(ChangedAreas, DoesNotTakeALostMachineForALostHistory) {
  server.methods["QueryChangedDiskAreas"] = [](const XmlElement&) {
    return CannedVim::fault("ManagedObjectNotFound");
  };
  EXPECT_EQ(query().error().code(), ErrorCode::not_found);
  server.methods["QueryChangedDiskAreas"] = [](const XmlElement&) { return HttpResponse{0, {}, {}}; };
  EXPECT_EQ(query().error().code(), ErrorCode::unavailable);
}

TEST(TrackingUuid, IsWhatStandsBeforeTheNumber) {
  EXPECT_EQ(tracking_uuid(since), "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63");
  EXPECT_EQ(tracking_uuid(""), "");
  EXPECT_EQ(tracking_uuid("*"), "");
  EXPECT_EQ(tracking_uuid("/81"), "");
  EXPECT_EQ(tracking_uuid("52 de/"), "");
}

}  // namespace
}  // namespace rekindle
