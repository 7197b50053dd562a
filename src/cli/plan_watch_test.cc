#include "cli/plan_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rekindle
