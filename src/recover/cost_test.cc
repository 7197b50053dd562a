#include "recover/cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Prices some_prices() {
  Prices prices;
  prices.instance_hour = {{"small", 0.02}, {"proxy", 0.1}};
  prices.volumes["fast"] = {0.08, 0.005, 3000, 0.04, 125};
  prices.volume_type = "fast";
  prices.image_gib_month = 0.05;
  prices.image_put_1000 = 0.006;
  prices.image_get_1000 = 0.003;
  prices.proxy_instance_type = "proxy";
  return prices;
}

class CostTest : public testing::Test {
 protected:
  CostTest() {
    CostMachine machine;
    machine.machine = "web";
    machine.instance_type = "small";
    machine.disk_bytes = {10 * gib, gib + 1};
    machine.image_bytes = 4 * gib;
    machine.replications = 2000;
    machine.blocks_put = 50;
    machine.blocks_read = 114;
    inputs.machines = {machine};
  }
  CostMachine& web() { return inputs.machines[0]; }
  CostEstimate estimate() { return estimate_cost(inputs, prices, 1000); }
  // The amount of the line; -1: there is none.
  double amount(const std::string& what) {
    const CostEstimate made = estimate();
    for (const CostLine& line : made.lines) {
      if (line.what == what) return line.amount();
    }
    return -1;
  }

  CostInputs inputs;
  Prices prices = some_prices();
};

TEST_F(CostTest, AMonthIsWhatImagesHoldAndWhatReplicationsWriteAndReadBack) {
  EXPECT_DOUBLE_EQ(amount("images"), 4 * 0.05);
  EXPECT_DOUBLE_EQ(amount("blocks written"), 2000 * 50 / 1000. * 0.006);
  EXPECT_DOUBLE_EQ(amount("blocks read back"), 2000 * 114 / 1000. * 0.003);
  EXPECT_DOUBLE_EQ(estimate().sum(CostOf::month), 0.2 + 0.6 + 0.684);
  EXPECT_THAT(estimate().left_out, ElementsAre());
}

TEST_F(CostTest, AnHourOfAFailoverIsTheInstanceAndItsVolumesInWholeGibibytes) {
  EXPECT_DOUBLE_EQ(amount("instance small"), 0.02);
  EXPECT_DOUBLE_EQ(amount("volumes fast"), 12 * 0.08 / 1000);
  EXPECT_DOUBLE_EQ(estimate().sum(CostOf::failover_hour), 0.02 + 0.00096);
}

TEST_F(CostTest, SpeedCostsBeyondWhatIsFree) {
  EXPECT_EQ(amount("volumes fast, speed"), -1);
  web().volumes.iops = 4000;
  web().volumes.throughput = 225;
  EXPECT_DOUBLE_EQ(amount("volumes fast, speed"), 2 * 1000 * 0.005 / 1000);
  EXPECT_DOUBLE_EQ(amount("volumes fast, throughput"), 2 * 100 * 0.04 / 1000);
  web().volumes.iops = 3000;
  EXPECT_EQ(amount("volumes fast, speed"), -1);
}

TEST_F(CostTest, WritingThroughVolumesCostsAProxyAndNoPuts) {
  inputs.write = ImageWriting::volume;
  EXPECT_EQ(amount("blocks written"), -1);
  EXPECT_DOUBLE_EQ(amount("proxy proxy"), 100);
}

TEST_F(CostTest, UnknownTypesAreSaidAndLeftOut) {
  web().instance_type = "huge";
  web().volumes.type = "slow";
  EXPECT_THAT(estimate().left_out, ElementsAre("web: the prices do not have the instance type huge",
                                               "web: the prices do not have the volume type slow"));
  EXPECT_EQ(estimate().sum(CostOf::failover_hour), 0);
  EXPECT_GT(estimate().sum(CostOf::month), 0);
}

TEST_F(CostTest, WhatWasNeverReplicatedIsSaidAndLeftOut) {
  web().blocks_put.reset();
  EXPECT_THAT(estimate().left_out, ElementsAre(HasSubstr("web: its DR copy was never updated")));
  EXPECT_EQ(amount("blocks written"), -1);
  web().replications = 0;
  EXPECT_THAT(estimate().left_out, ElementsAre(HasSubstr("web: nothing says how often")));
}

TEST_F(CostTest, WhatWasNotFoundOutBeforeIsKept) {
  inputs.left_out = {"db: it was never backed up"};
  web().instance_type = "";
  EXPECT_THAT(estimate().left_out, ElementsAre("db: it was never backed up"));
}

TEST(RunsIn, FollowTheSchedule) {
  const auto runs = [](const char* schedule) { return runs_in(parse_schedule(schedule).value(), 168); };
  EXPECT_DOUBLE_EQ(runs("hourly"), 168);
  EXPECT_DOUBLE_EQ(runs("every 15m"), 4 * 168);
  EXPECT_DOUBLE_EQ(runs("every 15m 22:00-06:00"), 4 * 8 * 7);
  EXPECT_DOUBLE_EQ(runs("hourly 08:00-18:00"), 10 * 7);
  EXPECT_DOUBLE_EQ(runs("daily 02:30"), 7);
  EXPECT_DOUBLE_EQ(runs("weekly sun 02:30"), 1);
  EXPECT_EQ(runs("manual"), 0);
  EXPECT_EQ(runs("after-backup"), 0);
}

}  // namespace
}  // namespace rekindle
