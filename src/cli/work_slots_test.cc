#include "cli/work_slots.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

TEST(WorkSlots, BackupsThatFillTheirsLeaveThoseOfTheOtherSide) {
  WorkSlots slots(2);
  EXPECT_TRUE(slots.take("datacenter", "web"));
  EXPECT_TRUE(slots.take("datacenter", "db"));
  EXPECT_FALSE(slots.take("datacenter", "mail"));
  EXPECT_TRUE(slots.take("account", "mail"));
  slots.give_back("datacenter", "web");
  EXPECT_TRUE(slots.take("datacenter", "mail"));
}

TEST(WorkSlots, AMachineAndSideHasOneAtATime) {
  WorkSlots slots(4);
  EXPECT_TRUE(slots.take("datacenter", "web"));
  EXPECT_FALSE(slots.take("datacenter", "web"));
  EXPECT_TRUE(slots.take("account", "web"));
}

}  // namespace
}  // namespace rekindle
