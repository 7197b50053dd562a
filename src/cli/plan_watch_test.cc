#include "cli/plan_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "site/memory_site.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Preflight preflight(std::vector<Finding> findings) {
  Preflight made;
  made.findings = std::move(findings);
  return made;
}

const Finding fine{Light::green, "web", "launch", "t3.small in subnet-1"};
const Finding no_copy{Light::red, "web", "DR copy", "it has none"};

TEST(PlanNews, AreWhatIsNotGreen) {
  PlanNews news;
  EXPECT_THAT(news.of("dr", preflight({fine, no_copy, {Light::yellow, "", "forecast", "not measured"}})),
              ElementsAre("DR plan dr, web: DR copy is red: it has none",
                          "DR plan dr: forecast is yellow: not measured"));
}

TEST(PlanNews, AreSaidOnceForEachPlan) {
  PlanNews news;
  EXPECT_THAT(news.of("dr", preflight({no_copy})), SizeIs(1));
  EXPECT_THAT(news.of("dr", preflight({no_copy})), IsEmpty());
  EXPECT_THAT(news.of("other", preflight({no_copy})), SizeIs(1));
}

TEST(PlanNews, AreSaidAgainWhenItCameBack) {
  PlanNews news;
  news.of("dr", preflight({no_copy}));
  EXPECT_THAT(news.of("dr", preflight({fine})), IsEmpty());
  EXPECT_THAT(news.of("dr", preflight({no_copy})), SizeIs(1));
}

TEST(PlanNews, AreNotThatTimeHasPassed) {
  PlanNews news;
  const auto aged = [](const char* age) {
    return preflight({{Light::yellow, "web", "age", std::string("the data are ") + age + " old"}});
  };
  EXPECT_THAT(news.of("dr", aged("2 h 5 min")), SizeIs(1));
  EXPECT_THAT(news.of("dr", aged("13 h 15 min")), IsEmpty());
}

TEST(PlanNews, OfOneMachineDoNotHideAnother) {
  PlanNews news;
  const auto aged = [](const char* machine) {
    return Finding{Light::yellow, machine, "age", "the data are 2 h old"};
  };
  EXPECT_THAT(news.of("dr", preflight({aged("web1")})), SizeIs(1));
  EXPECT_THAT(news.of("dr", preflight({aged("web1"), aged("web2")})), SizeIs(1));
}

TEST(PlanNews, AreAnotherReasonAndAnotherLight) {
  PlanNews news;
  news.of("dr", preflight({no_copy}));
  Finding changed = no_copy;
  changed.sentence = "its image is gone";
  EXPECT_THAT(news.of("dr", preflight({changed})), SizeIs(1));
  changed.light = Light::yellow;
  EXPECT_THAT(news.of("dr", preflight({changed})), SizeIs(1));
}

// The watch of one plan, whose machine has no DR copy, on a clock that jumps.
class PlanWatchTest : public testing::Test {
 protected:
  PlanWatchTest() {
    plan.name = "dr";
    plan.account = "account";
    plan.production.instance_type = "small";
    plan.production.subnet_id = "subnet-1";
    plan.machines.push_back({"web", {}, {}, {}});
    EXPECT_TRUE(catalog->put(plan).ok());
  }

  // So many looks; `before` each is called with its number, from 1.
  void watch(int looks, const std::function<void(int)>& before = {}) {
    std::stop_source stop;
    int number = 0;
    const auto plans = [&]() -> Result<std::vector<DrPlan>> {
      if (++number > looks) {
        stop.request_stop();
        return std::vector<DrPlan>();
      }
      if (before) before(number);
      return catalog->list<DrPlan>();
    };
    const auto check = [&](const std::string& name, FailoverKind kind) -> Result<Preflight> {
      kinds.push_back(kind);
      TRY(trouble);
      return check_readiness({*catalog, site, clock, [](const DrCopy&) { return true; }}, name, kind);
    };
    const auto tell = [&](const std::string& sentence) {
      const auto hours = std::chrono::duration_cast<std::chrono::hours>(clock.now() - begin);
      told.push_back(fmt::format("{} h: {}", hours.count(), sentence));
    };
    watch_plans({clock, plans, check, tell}, stop.get_token());
  }
  void site_refuses(std::string_view refused) {
    site.set_fault([refused](std::string_view method, bool) -> Result<> {
      return method == refused ? Result<>(error(ErrorCode::permission_denied, "no")) : Result<>();
    });
  }
  std::vector<std::string> told_of(const std::string& topic) const {
    std::vector<std::string> found;
    for (const std::string& sentence : told) {
      if (sentence.find(topic + " is ") != std::string::npos) found.push_back(sentence);
    }
    return found;
  }

  const Time begin = from_iso8601("2026-11-22T12:00:00Z").value();
  TemporaryDirectory directory = TemporaryDirectory::make().value();
  ManualClock clock{begin};
  MemorySite site;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  DrPlan plan;
  std::vector<FailoverKind> kinds;  // that were looked at
  Result<> trouble;                 // of every look
  std::vector<std::string> told;
};

TEST_F(PlanWatchTest, LooksOnceAnHour) {
  watch(5);
  EXPECT_THAT(kinds, SizeIs(5));
  EXPECT_EQ(clock.now() - begin, std::chrono::hours(6)) << "the last one is told to stop";
}

TEST_F(PlanWatchTest, TellsAFindingOnceAndAgainWhenItCameBack) {
  watch(6, [&](int look) {
    if (look == 3) site_refuses("identity");
    if (look == 5) site.set_fault({});
  });
  EXPECT_THAT(told_of("DR copy"),
              ElementsAre("0 h: DR plan dr, web: DR copy is red: it has none; make one with 'rekindle "
                          "replicate run dr'",
                          "4 h: DR plan dr, web: DR copy is red: it has none; make one with 'rekindle "
                          "replicate run dr'"))
      << "while the account does not answer nothing is known of copies";
  EXPECT_THAT(told_of("account"), ElementsAre("2 h: DR plan dr: account is red: no"));
}

TEST_F(PlanWatchTest, LooksAtTestsWhereThePlanSaysHowTheyDiffer) {
  watch(1);
  EXPECT_THAT(kinds, ElementsAre(FailoverKind::production));
  plan.test.subnet_id = "subnet-test";
  ASSERT_TRUE(catalog->put(plan).ok());
  kinds.clear();
  watch(1);
  EXPECT_THAT(kinds, ElementsAre(FailoverKind::production, FailoverKind::test));
}

TEST_F(PlanWatchTest, TellsWhatIsOfATestOnlyAsSuch) {
  DrCopy copy;
  copy.id = "copy-1";
  copy.plan = "dr";
  copy.account = "account";
  copy.machine = "web";
  copy.converted = true;
  copy.state = DrCopyState::current;
  copy.recovery_point_time = begin;
  ASSERT_TRUE(catalog->put(copy).ok());
  plan.test.instance_type = "none";
  ASSERT_TRUE(catalog->put(plan).ok());
  watch(3);
  EXPECT_THAT(told_of("test launch"),
              ElementsAre("0 h: DR plan dr, web: test launch is red: instance type 'none' does not exist"));
  EXPECT_THAT(told_of(", web: launch"), IsEmpty());
  EXPECT_THAT(told_of("forecast"), SizeIs(1)) << "what is of both kinds is said once";
}

TEST_F(PlanWatchTest, GoesOnAfterALookThatFailed) {
  watch(2, [&](int look) {
    trouble = look == 1 ? Result<>(error(ErrorCode::unavailable, "the catalog is busy")) : Result<>();
  });
  EXPECT_EQ(told.at(0), "0 h: looking whether the DR plans would work: DR plan dr: the catalog is busy");
  EXPECT_THAT(told_of("DR copy"), ElementsAre(testing::StartsWith("1 h: DR plan dr, web: DR copy is red")));
}

}  // namespace
}  // namespace rekindle
