#include "model/dr_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/copy_encryption.h"
#include "model/json.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

DrPlan small_plan() {
  DrPlan plan;
  plan.name = "dr";
  plan.account = "aws";
  plan.production.instance_type = "t3.small";
  plan.production.tags = {{"from", "plan"}};
  plan.machines = {{"web", {}, {}}, {"db", {}, {}}};
  return plan;
}

TEST(DrPlan, ComesBackWholeAndWritesOnlyWhatIsSet) {
  DrPlan plan = small_plan();
  plan.replicate = parse_schedule("every 15m").value();
  plan.workflow = DrWorkflow::ami;
  plan.encrypt_copies = true;
  plan.copies_kms_key = "alias/copies";
  plan.test.subnet_id = "subnet-test";
  plan.test_expires_after = std::chrono::hours(36);
  plan.machines[0].production.source_dest_check = false;
  plan.machines[0].production.volumes = {"io2", 3000, 0, true, "alias/dr"};
  PlanStep step;
  step.name = "first";
  step.machines = {"db"};
  step.on_failure = OnFailure::go_on;
  step.script = "hostname";
  step.script_on = {"db"};
  plan.steps = {step};
  const nlohmann::json written = plan;
  EXPECT_EQ(nlohmann::json(parse_json<DrPlan>(written.dump()).value()), written);
  EXPECT_EQ(written.at("machines").at(1), (nlohmann::json{{"machine", "db"}}));
  EXPECT_EQ(written.at("replicate"), "every 15m");
  EXPECT_EQ(written.at("steps").at(0).at("script_on"), (nlohmann::json{"db"}));
  EXPECT_EQ(written.at("copies_kms_key"), "alias/copies");
  EXPECT_EQ(written.at("test_expires_after"), "36h");
  EXPECT_EQ(written.at("machines").at(0).at("production"),
            nlohmann::json::parse(R"({"source_dest_check": false, "volumes":
              {"type": "io2", "iops": 3000, "encrypted": true, "kms_key": "alias/dr"}})"));
}

TEST(DrPlan, OneOfAnEarlierVersionIsRead) {
  const auto plan = parse_json<DrPlan>(R"({"name": "dr", "account": "aws", "replicate_every_minutes": 30,
      "machines": [{"machine": "web", "settings": {"instance_type": "t3.small", "private_ip": "10.0.0.5"}}],
      "steps": [{"name": "first", "machines": ["web"], "script": "true"}]})");
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(to_string(plan->replicate), "every 30m");
  EXPECT_EQ(plan->machines.at(0).production.private_ip, "10.0.0.5");
  EXPECT_TRUE(plan->steps.at(0).script_on.empty());
}

TEST(DrPlan, AKeyForCopiesThatAreNotEncryptedIsRefused) {
  DrPlan plan = small_plan();
  plan.copies_kms_key = "alias/copies";
  EXPECT_THAT(check_plan(plan).error().message(), HasSubstr("encrypt_copies: true"));
}

TEST(DrPlan, CopiesOfWhatStartsEncryptedAreEncrypted) {
  DrPlan plan = small_plan();
  EXPECT_FALSE(encrypts_copies(plan));
  plan.test.volumes.kms_key = "alias/tests";
  EXPECT_TRUE(encrypts_copies(plan));
  plan = small_plan();
  plan.machines.at(0).production.volumes.encrypted = true;
  plan.copies_kms_key = "alias/copies";
  EXPECT_TRUE(encrypts_copies(plan));
  EXPECT_TRUE(check_plan(plan).ok()) << check_plan(plan).error().message();
}

TEST(DrPlan, AWordThatIsNotKnownIsRefused) {
  const auto plan = parse_json<DrPlan>(R"({"name": "dr", "workflow": "amy"})");
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message(), HasSubstr("workflow: '\"amy\"' is not known"));
  EXPECT_FALSE(parse_json<DrPlan>(R"({"name": "dr", "steps": [{"name": "a", "on_failure": "go_on"}]})").ok());
}

TEST(DrPlan, SettingsAreInheritedFieldByField) {
  DrPlan plan = small_plan();
  plan.production.other_instance_types = {"t3.medium"};
  plan.machines[0].production.instance_type = "m6i.large";
  plan.machines[0].production.tags = {{"from", "machine"}, {"more", "yes"}};
  const FailoverSettings web = settings_of(plan, plan.machines[0], FailoverKind::production);
  EXPECT_EQ(web.instance_type, "m6i.large");
  EXPECT_TRUE(web.other_instance_types.empty()) << "those were for another type";
  EXPECT_EQ(web.tags, (std::map<std::string, std::string>{{"from", "machine"}, {"more", "yes"}}));
  const FailoverSettings db = settings_of(plan, plan.machines[1], FailoverKind::production);
  EXPECT_EQ(db.instance_type, "t3.small");
  EXPECT_THAT(db.other_instance_types, ElementsAre("t3.medium"));
}

TEST(DrPlan, WhatIsolatesATestWinsOverTheMachine) {
  DrPlan plan = small_plan();
  plan.test.subnet_id = "subnet-test";
  plan.machines[0].production.subnet_id = "subnet-production";
  plan.machines[1].test.subnet_id = "subnet-test-2";
  EXPECT_EQ(settings_of(plan, plan.machines[0], FailoverKind::test).subnet_id, "subnet-test");
  EXPECT_EQ(settings_of(plan, plan.machines[1], FailoverKind::test).subnet_id, "subnet-test-2");
  EXPECT_EQ(settings_of(plan, plan.machines[0], FailoverKind::production).subnet_id, "subnet-production");
}

TEST(DrPlan, ATestDoesNotTakeTheElasticAddressOfProduction) {
  DrPlan plan = small_plan();
  plan.production.public_ip = "eipalloc-1";
  EXPECT_EQ(settings_of(plan, plan.machines[0], FailoverKind::test).public_ip, "");
  plan.machines[0].test.public_ip = "eipalloc-2";
  EXPECT_EQ(settings_of(plan, plan.machines[0], FailoverKind::test).public_ip, "eipalloc-2");
  EXPECT_EQ(settings_of(plan, plan.machines[0], FailoverKind::production).public_ip, "eipalloc-1");
}

TEST(DrPlan, MachinesThatNoStepNamesAreStartedFirst) {
  DrPlan plan = small_plan();
  EXPECT_EQ(steps_of(plan).size(), 1U);
  PlanStep step;
  step.name = "last";
  step.machines = {"web"};
  plan.steps = {step};
  ASSERT_EQ(steps_of(plan).size(), 2U);
  EXPECT_THAT(steps_of(plan)[0].machines, ElementsAre("db"));
  EXPECT_EQ(steps_of(plan)[1].name, "last");
}

TEST(DrPlan, WhoeverNamesNoMachineMeansAll) {
  EXPECT_TRUE(is_chosen({}, "web"));
  EXPECT_TRUE(is_chosen({"db", "web"}, "web"));
  EXPECT_FALSE(is_chosen({"db"}, "web"));
}

TEST(DrPlan, TestsOfAnEarlierVersionNeverExpire) {
  EXPECT_EQ(parse_json<DrPlan>(R"({"name": "dr"})")->test_expires_after, std::chrono::minutes(0));
  const auto wrong = parse_json<DrPlan>(R"({"name": "dr", "test_expires_after": "tomorrow"})");
  EXPECT_THAT(wrong.error().message(), HasSubstr("test_expires_after: 'tomorrow' says not when"));
}

TEST(DrPlan, ATestExpiresAtItsTimeAndNothingElseDoes) {
  const Time now{std::chrono::hours(100)};
  Failover failover;
  failover.kind = FailoverKind::test;
  EXPECT_FALSE(has_expired(failover, now)) << "it never does";
  failover.expires = now;
  EXPECT_TRUE(has_expired(failover, now));
  EXPECT_FALSE(has_expired(failover, now - std::chrono::milliseconds(1)));
  EXPECT_TRUE(has_expired(parse_json<Failover>(nlohmann::json(failover).dump()).value(), now));
  failover.state = FailoverState::released;
  EXPECT_FALSE(has_expired(failover, now));
  failover.state = FailoverState::running;
  failover.kind = FailoverKind::production;
  EXPECT_FALSE(has_expired(failover, now));
}

TEST(DrPlan, WhatTheConsoleMustSayIsAPattern) {
  DrPlan plan = small_plan();
  plan.production.health_check = "console:^web[0-9]* login:";
  EXPECT_TRUE(check_plan(plan).ok()) << check_plan(plan).error().message();
  plan.machines[1].test.health_check = "console:*** ready";
  EXPECT_THAT(check_plan(plan).error().message(),
              HasSubstr("db.test: health_check: '*** ready' is not a regular expression"));
  plan.machines[1].test.health_check = "console:";
  EXPECT_THAT(check_plan(plan).error().message(),
              HasSubstr("db.test: health_check: '' is found in an empty"));
}

TEST(DrPlan, RefusesWhatCannotBe) {
  const auto refusal = [](const std::function<void(DrPlan&)>& change) {
    DrPlan plan = small_plan();
    change(plan);
    const Result<> checked = check_plan(plan);
    return checked.ok() ? "accepted" : checked.error().message();
  };
  PlanStep step;
  step.name = "first";
  EXPECT_EQ(refusal([](DrPlan&) {}), "accepted");
  EXPECT_THAT(refusal([](DrPlan& plan) { plan.machines.clear(); }), HasSubstr("holds no machine"));
  EXPECT_THAT(refusal([](DrPlan& plan) { plan.machines[1].machine = "web"; }), HasSubstr("web twice"));
  EXPECT_THAT(refusal([](DrPlan& plan) { plan.production.public_ip = "maybe"; }),
              HasSubstr("production: public_ip is 'maybe'"));
  EXPECT_THAT(refusal([](DrPlan& plan) {
                plan.workflow = DrWorkflow::ami;
                plan.convert = ConvertWhen::at_failover;
              }),
              HasSubstr("convert: ahead"));
  EXPECT_THAT(refusal([&](DrPlan& plan) { plan.steps = {step, step}; }), HasSubstr("two steps"));
  EXPECT_THAT(refusal([&](DrPlan& plan) {
                step.machines = {"mail"};
                plan.steps = {step};
              }),
              HasSubstr("does not hold the machine 'mail'; it holds: web, db"));
  EXPECT_THAT(refusal([](DrPlan& plan) { plan.production.user_data = std::string(16385, 'x'); }),
              HasSubstr("16384"));
}

TEST(DrPlan, AScriptRunsInsideMachinesThatAreStartedByThen) {
  PlanStep first;
  first.name = "first";
  first.machines = {"db"};
  PlanStep second;
  second.name = "second";
  second.script = "hostname";
  const auto says = [&](std::vector<std::string> where, const std::function<void()>& change = {}) {
    second.script_on = std::move(where);
    if (change) change();
    DrPlan plan = small_plan();
    plan.steps = {first, second};
    const Result<> checked = check_plan(plan);
    return checked.ok() ? "accepted" : checked.error().message();
  };
  EXPECT_EQ(says({"db"}), "accepted") << "by an earlier step";
  EXPECT_EQ(says({"web", "db"}), "accepted") << "web by no step: before the first";
  EXPECT_THAT(says({"mail"}),
              HasSubstr("step second: script_on: the plan dr does not hold the machine 'mail'"));
  EXPECT_THAT(says({"db", "db"}), HasSubstr("script_on names db twice"));
  EXPECT_THAT(says({"db"}, [&] { second.script.clear(); }), HasSubstr("there is no script"));
  second.script = "hostname";
  EXPECT_EQ(says({"db"}, [&] { second.name = std::string(50, 'x'); }), "accepted");
  EXPECT_THAT(says({"db"}, [&] { second.name = std::string(51, 'x'); }), HasSubstr("at most 50 bytes"));
  second.name = "second";
  PlanStep early = second;
  early.name = "early";
  early.script_on = {"db"};
  DrPlan plan = small_plan();
  plan.steps = {early, first};
  EXPECT_THAT(check_plan(plan).error().message(),
              HasSubstr("step early: its script is to run in db, which a later step starts"));
}

}  // namespace
}  // namespace rekindle
