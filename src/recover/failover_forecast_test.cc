#include "recover/failover_forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/json.h"
#include "recover/plan_failover.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// A plan of "web" and "db", and what was measured of them.
class FailoverForecastTest : public testing::Test {
 protected:
  FailoverForecastTest() {
    plan.name = "plan";
    plan.machines = {{"web", {}, {}}, {"db", {}, {}}};
  }

  // It took so long to launch, to run and to answer; converting, if it was, took ten seconds.
  void failed_over(const std::string& machine, seconds launch, seconds running, seconds service,
                   bool converted = false, JobState state = JobState::succeeded) {
    Job job = catalog->create_job(JobKind::failover, machine, {{"plan", "plan"}}, "check").value();
    job.state = state;
    const auto timing = [&](const char* step, milliseconds took) {
      job.timings.push_back({step, clock.now(), took.count()});
    };
    timing("check", milliseconds(0));
    timing("convert", converted ? seconds(10) : milliseconds(3));
    timing("launch", launch);
    timing("wait_running", running);
    timing("wait_service", service);
    timing("tidy", seconds(100));
    job.data["blocks_converted"] = converted ? 7 : 0;
    ASSERT_TRUE(catalog->save_job(job).ok());
  }
  void has_copy(const std::string& machine, bool converted) {
    DrCopy copy;
    copy.id = "copy-" + machine;
    copy.plan = "plan";
    copy.machine = machine;
    copy.state = DrCopyState::current;
    copy.converted = converted;
    ASSERT_TRUE(catalog->put(copy).ok());
  }
  FailoverForecast forecast() { return forecast_failover(*catalog, plan).value(); }
  MachineForecast forecast_of(const std::string& machine) {
    for (const MachineForecast& one : forecast().machines) {
      if (one.machine == machine) return one;
    }
    ADD_FAILURE() << "nothing is said of " << machine;
    return {};
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock clock;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  DrPlan plan;
};

TEST_F(FailoverForecastTest, IsNoneWhereNothingWasMeasured) {
  EXPECT_TRUE(forecast().machines.empty());
  failed_over("web", seconds(1), seconds(2), seconds(3), false, JobState::failed);
  EXPECT_TRUE(forecast().machines.empty()) << "one that failed measures nothing";
}

TEST_F(FailoverForecastTest, IsTheMedianOfEachStageUntilTheServiceAnswers) {
  failed_over("web", seconds(1), seconds(30), seconds(40));
  failed_over("web", seconds(3), seconds(10), seconds(90));
  failed_over("web", seconds(2), seconds(20), seconds(50));
  EXPECT_EQ(forecast_of("web").total, seconds(2 + 20 + 50)) << "tidying up is nobody's wait";
  EXPECT_EQ(forecast_of("web").runs, 3U);
  EXPECT_EQ(sentence_of(forecast_of("web")),
            "1 min 12 s: launch 2.0 s, wait running 20.0 s, wait service "
            "50.0 s; measured in 3 failovers");
}

TEST_F(FailoverForecastTest, ForgetsWhatIsLongAgo) {
  failed_over("web", seconds(900), seconds(900), seconds(900));
  for (int i = 0; i < 5; ++i) failed_over("web", seconds(1), seconds(1), seconds(i < 3 ? 600 : 1));
  EXPECT_EQ(forecast_of("web").runs, 5U);
  EXPECT_EQ(forecast_of("web").total, seconds(1 + 1 + 600));
}

TEST_F(FailoverForecastTest, EstimatesAMachineByTheOthersAndSaysSo) {
  failed_over("web", seconds(2), seconds(20), seconds(50));
  EXPECT_EQ(forecast_of("db").total, seconds(72));
  EXPECT_THAT(sentence_of(forecast_of("db")),
              HasSubstr("; estimated, for it was never failed over, by one failover of other machines"));
  EXPECT_THAT(sentence_of(forecast()), HasSubstr("; 1 of 2 machines are estimated"));
}

TEST_F(FailoverForecastTest, CountsAConversionOnlyWhereTheCopyNeedsOne) {
  failed_over("web", seconds(2), seconds(20), seconds(50), true);
  failed_over("web", seconds(2), seconds(20), seconds(50), false);
  has_copy("web", false);
  EXPECT_EQ(forecast_of("web").total, seconds(72 + 10)) << "by the one run that converted";
  has_copy("web", true);
  EXPECT_EQ(forecast_of("web").total, seconds(72));
}

TEST_F(FailoverForecastTest, SaysThatAConversionWasNeverMeasured) {
  failed_over("web", seconds(2), seconds(20), seconds(50));
  has_copy("web", false);
  EXPECT_TRUE(forecast_of("web").lacks_convert);
  EXPECT_THAT(sentence_of(forecast_of("web")), HasSubstr("without its conversion"));
}

TEST_F(FailoverForecastTest, OfAPlanAddsItsStepsAndTheirDelays) {
  failed_over("web", seconds(2), seconds(20), seconds(50));
  failed_over("db", seconds(2), seconds(20), seconds(8));
  EXPECT_EQ(forecast().total, seconds(72)) << "side by side";
  plan.steps.resize(2);
  plan.steps[0].name = "data";
  plan.steps[0].machines = {"db"};
  plan.steps[1].name = "front";
  plan.steps[1].machines = {"web"};
  plan.steps[1].delay_seconds = 15;
  EXPECT_EQ(forecast().total, seconds(30 + 15 + 72));
  EXPECT_EQ(
      sentence_of(forecast()),
      "1 min 57 s from the click to the last answer: step data 30.0 s, step front 1 min 27 s (of it its "
      "delay 15.0 s); by the stages of 2 failovers");
  plan.steps[1].approval = true;
  EXPECT_THAT(sentence_of(forecast()), HasSubstr("from its approval on"));
}

TEST_F(FailoverForecastTest, CountsAScriptAsItsLastRunTook) {
  failed_over("web", seconds(2), seconds(20), seconds(50));
  plan.steps.resize(1);
  plan.steps[0].name = "all";
  plan.steps[0].machines = {"web", "db"};
  plan.steps[0].script = "./point-the-dns.sh";
  EXPECT_TRUE(forecast().steps.at(0).lacks_script);
  const Time begun = clock.now();
  Job run = catalog->create_job(JobKind::plan_failover, plan_subject("plan"), {{"plan", "plan"}}, "workflow")
                .value();
  run.state = JobState::succeeded;
  run.data["machines"]["web"]["finished"] = begun + seconds(70);
  run.data["machines"]["db"]["finished"] = begun + seconds(60);
  run.data["steps"]["all"] = {
      {"state", "done"}, {"started", begun}, {"finished", begun + seconds(83)}, {"script_output", "done\n"}};
  ASSERT_TRUE(catalog->save_job(run).ok());
  EXPECT_FALSE(forecast().steps.at(0).lacks_script);
  EXPECT_EQ(forecast().steps.at(0).script, seconds(13));
  EXPECT_EQ(forecast().total, seconds(72 + 13));
  run.data["steps"]["all"].erase("script_output");
  run.data["steps"]["all"]["script_outputs"]["web"] = "done\n";
  run.data["steps"]["all"]["script_started"] = begun + seconds(75);
  ASSERT_TRUE(catalog->save_job(run).ok());
  EXPECT_EQ(forecast().steps.at(0).script, seconds(8)) << "as the run says itself";
}

}  // namespace
}  // namespace rekindle
