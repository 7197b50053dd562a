#include "sandbox/datacenter/areas.h"

#include <gtest/gtest.h>

#include "sandbox/datacenter/change_tracking.h"

namespace rekindle::sandbox {
namespace {

TEST(Areas, AreAscendingAndMerged) {
  EXPECT_EQ(merged({{30, 5}, {10, 10}, {20, 5}, {12, 3}, {50, 0}}), (Areas{{10, 15}, {30, 5}}));
}

TEST(Areas, ArePagedWithoutGapOrOverlap) {
  const Areas areas = {{10, 10}, {40, 10}, {70, 10}};
  const AreaPage first = page_of(areas, 0, 100, 2);
  EXPECT_EQ(first.length, 50U);
  EXPECT_EQ(first.areas, (Areas{{10, 10}, {40, 10}}));
  const AreaPage second = page_of(areas, 50, 100, 2);
  EXPECT_EQ(second.length, 50U);
  EXPECT_EQ(second.areas, (Areas{{70, 10}}));
}

TEST(Areas, APageCutsTheAreaThatItStartsIn) {
  EXPECT_EQ(page_of({{10, 10}}, 15, 100, 5).areas, (Areas{{15, 5}}));
}

TEST(ChangeTracking, SurvivesItsJson) {
  SeededRandom random(1);
  ChangeTracking tracking;
  tracking.begin(random);
  tracking.record({{0, 4}});
  tracking.close_epoch();
  const ChangeTracking again = ChangeTracking::from_json(tracking.to_json());
  EXPECT_EQ(again.change_id(), tracking.change_id());
  EXPECT_EQ(again.changed(tracking.change_id().substr(0, 47) + "/1", 2).value(), (Areas{{0, 4}}));
}

TEST(ChangeTracking, WritesIdsAsEsxiDoes) {
  SeededRandom random(1);
  ChangeTracking tracking;
  tracking.begin(random);
  EXPECT_EQ(tracking.change_id().size(), 49U);
  EXPECT_EQ(tracking.change_id()[23], '-');
  EXPECT_EQ(tracking.change_id().substr(47), "/1");
}

TEST(ChangeTracking, RefusesAnIdFromTheFuture) {
  SeededRandom random(1);
  ChangeTracking tracking;
  tracking.begin(random);
  const std::string future = tracking.change_id().substr(0, 47) + "/9";
  EXPECT_EQ(tracking.changed(future, 1).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace rekindle::sandbox
