#include "recover/failback_forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A plan of "web" and "db", and what was measured of them.
class FailbackForecastTest : public testing::Test {
 protected:
  FailbackForecastTest() {
    plan.name = "plan";
    plan.machines = {{"web", {}, {}}, {"db", {}, {}}};
  }
  Job over(JobKind kind, const std::string& machine, const std::function<void(Job&)>& how,
           bool is_rehearsal = false) {
    Job job = catalog->create_job(kind, machine, {{"test", is_rehearsal}}, "check").value();
    job.state = JobState::succeeded;
    how(job);
    EXPECT_TRUE(catalog->save_job(job).ok());
    return job;
  }
  void failed_over(const std::string& machine, milliseconds waited, const std::string& of_plan = "plan") {
    const Job job = over(JobKind::failover, machine, [&](Job& it) {
      it.timings = {{"launch", clock.now(), 7000}, {"wait_service", clock.now(), waited.count()}};
    });
    Failover failover;
    failover.id = id_by_job("failover", job.id);
    failover.job_id = job.id;
    failover.plan = of_plan;
    failover.machine = machine;
    ASSERT_TRUE(catalog->put(failover).ok());
  }
  void came_home(milliseconds stopping, milliseconds boot, bool is_rehearsal = false) {
    over(
        JobKind::failback, "web",
        [&](Job& it) { it.data = {{"stop_ms", stopping.count()}, {"service_ms", boot.count()}}; },
        is_rehearsal);
  }
  DowntimeForecast forecast(const nlohmann::json& passes = nlohmann::json::array()) {
    return forecast_downtime(*catalog, plan, "web", passes).value();
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock clock;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  DrPlan plan;
};

TEST_F(FailbackForecastTest, AssumesWhatNobodyMeasuredAndSaysSo) {
  EXPECT_EQ(forecast().boot, milliseconds(60000));
  EXPECT_EQ(forecast().total, milliseconds(15000 + 10000 + 60000));
  EXPECT_THAT(forecast().boot_from, HasSubstr("assumed"));
}

TEST_F(FailbackForecastTest, TakesTheBootInTheAccountUntilOneAtHomeWasMeasured) {
  failed_over("web", milliseconds(31000));
  failed_over("web", milliseconds(33000));
  failed_over("db", milliseconds(90000));
  EXPECT_EQ(forecast().boot, milliseconds(33000)) << "the newest of this machine";
  EXPECT_EQ(forecast().boot_from, "as it took in the account");
  came_home(milliseconds(4000), milliseconds(45000));
  failed_over("web", milliseconds(35000));
  EXPECT_EQ(forecast().boot, milliseconds(45000));
  EXPECT_EQ(forecast().boot_from, "as at its last failback");
  EXPECT_EQ(forecast({{{"milliseconds", 9000}}, {{"milliseconds", 2000}}}).total,
            milliseconds(4000 + 2000 + 45000));
}

TEST_F(FailbackForecastTest, TakesAnotherMachineOfThePlanWhereThisOneWasNeverMeasured) {
  failed_over("db", milliseconds(20000));
  failed_over("mail", milliseconds(99000), "another plan");
  EXPECT_EQ(forecast().boot, milliseconds(20000));
  EXPECT_EQ(forecast().boot_from, "as db took in the account");
}

TEST_F(FailbackForecastTest, WhoWaitedForNoServiceMeasuredNothing) {
  failed_over("web", milliseconds(0));
  failed_over("db", milliseconds(0));
  came_home(milliseconds(4000), milliseconds(1), true);
  over(JobKind::failover, "web", [&](Job& it) {  // it failed before
    it.timings = {{"launch", clock.now(), 7000}};
  });
  EXPECT_EQ(forecast().total, milliseconds(15000 + 10000 + 60000));
}

TEST_F(FailbackForecastTest, FailbacksOfEarlierVersionsMeasuredNoBoot) {
  came_home(milliseconds(4000), milliseconds(45000));
  came_home(milliseconds(5000), milliseconds(7));
  EXPECT_EQ(forecast().boot, milliseconds(45000));
  EXPECT_EQ(forecast().total, milliseconds(5000 + 10000 + 45000));
}

TEST_F(FailbackForecastTest, LooksAtTheNewestFailoversOfOthersOnly) {
  failed_over("db", milliseconds(20000));
  for (int i = 0; i < 19; ++i) failed_over("db", milliseconds(0));
  EXPECT_EQ(forecast().boot, milliseconds(20000));
  failed_over("mail", milliseconds(0), "another plan");
  EXPECT_EQ(forecast().boot, milliseconds(20000));
  failed_over("db", milliseconds(0));
  EXPECT_EQ(forecast().boot, milliseconds(60000));
}

TEST_F(FailbackForecastTest, LooksAtTheOthersOnceForAllMachines) {
  failed_over("db", milliseconds(20000));
  DowntimeForecaster forecaster(*catalog, plan);
  EXPECT_EQ(forecaster.forecast("web", nlohmann::json::array())->boot, milliseconds(20000));
  failed_over("db", milliseconds(30000));
  EXPECT_EQ(forecaster.forecast("mail", nlohmann::json::array())->boot, milliseconds(20000));
  EXPECT_EQ(forecaster.forecast("db", nlohmann::json::array())->boot, milliseconds(30000)) << "its own";
}

TEST_F(FailbackForecastTest, AFailoverWithoutAJobIsNoMeasure) {
  Failover born;  // in the account, and taken into the plan
  born.id = "failover-1";
  born.plan = "plan";
  born.machine = "db";
  ASSERT_TRUE(catalog->put(born).ok());
  EXPECT_EQ(forecast().boot, milliseconds(60000));
}

}  // namespace
}  // namespace rekindle
