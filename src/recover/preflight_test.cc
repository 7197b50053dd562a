#include "recover/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "recover/failover_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class PreflightTest : public FailoverTest {
 protected:
  PreflightTest() {
    copy_of(guest_to_convert());
    BootCertificate certificate;
    certificate.would_boot = true;
    certificate.recovery_point_id = RecoveryPointId("point-1");
    change([&](DrCopy& it) {
      it.converted = true;
      it.recovery_point_id = RecoveryPointId("point-1");
      it.recovery_point_time = clock.now();
      it.certificate = certificate;
    });
    add_point("point-1");
  }

  void change(const std::function<void(DrCopy&)>& how) {
    how(copy);
    ASSERT_TRUE(catalog->put(copy).ok());
  }
  void plan_says(const std::function<void(DrPlan&)>& how) {
    auto plan = catalog->get<DrPlan>("plan").value();
    how(plan);
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  void add_point(const std::string& id) {
    RecoveryPoint point;
    point.id = RecoveryPointId(id);
    point.machine.name = "web";
    point.time = clock.now();
    ASSERT_TRUE(catalog->put(point).ok());
  }
  Preflight check(FailoverKind kind = FailoverKind::production) {
    return check_readiness({*catalog, site, clock, [this](const DrCopy&) { return is_signed; }}, "plan", kind)
        .value();
  }
  // What the check says about a topic: "red: its image ..."
  std::string said(const std::string& topic, FailoverKind kind = FailoverKind::production) {
    std::string all;
    for (const Finding& finding : check(kind).findings) {
      if (finding.topic == topic) all += fmt::format("{}: {}\n", to_string(finding.light), finding.sentence);
    }
    return all;
  }

  Result<bool> is_signed = true;
};

TEST_F(PreflightTest, APlanThatIsReadyIsGreenButForWhatWasNeverMeasured) {
  EXPECT_EQ(check().light, Light::yellow);
  EXPECT_THAT(said("forecast"), HasSubstr("yellow: no failover of these machines was measured yet"));
  ASSERT_EQ(fail_over(FailoverKind::test).state, JobState::succeeded);
  ASSERT_EQ(clean_up(failovers().at(0)).state, JobState::succeeded);
  const Preflight preflight = check();
  EXPECT_EQ(preflight.light, Light::green) << said("forecast") << said("certificate") << said("launch");
  ASSERT_TRUE(preflight.forecast.has_value());
}

TEST_F(PreflightTest, NothingIsMade) {
  check();
  expect_only(0);
}

TEST_F(PreflightTest, AMissingCopyAndAMissingImageAreRed) {
  ASSERT_TRUE(site.remove_image(copy.disks.at(0).image_id).ok());
  EXPECT_THAT(said("DR copy"), HasSubstr("red: its image"));
  ASSERT_TRUE(catalog->remove<DrCopy>(copy.id).ok());
  EXPECT_THAT(said("DR copy"), HasSubstr("red: it has none; make one with 'rekindle replicate run plan'"));
}

TEST_F(PreflightTest, ADamagedCopyIsRedAndSaysTheWayOut) {
  EXPECT_EQ(said("copy damaged"), "");
  change([](DrCopy& it) { it.damaged = {{DiskId("disk-a"), 7, 2, Time{}}}; });
  EXPECT_THAT(said("copy damaged"), HasSubstr("red: disk disk-a: block 7 (of 512 KiB) is not what"));
  EXPECT_THAT(said("copy damaged"), HasSubstr("'rekindle replicate run plan' makes it anew"));
  EXPECT_EQ(check().light, Light::red);
  // Better than nothing.
  EXPECT_EQ(fail_over(FailoverKind::test).state, JobState::succeeded);
}

TEST_F(PreflightTest, ACopyThatFellBehindIsYellow) {
  EXPECT_THAT(said("age"), HasSubstr("green"));
  clock.advance(std::chrono::hours(1));
  add_point("point-2");
  EXPECT_THAT(said("age"), HasSubstr("green")) << "one newer point may just be on its way";
  clock.advance(std::chrono::hours(1));
  add_point("point-3");
  EXPECT_THAT(said("age"), HasSubstr("yellow"));
  EXPECT_THAT(said("age"), HasSubstr("2 newer recovery points are not in it"));
}

TEST_F(PreflightTest, ACopyWithoutItsZerosIsRedWhereItStartsEncrypted) {
  EXPECT_EQ(said("encryption"), "");
  plan_says([](DrPlan& plan) { plan.test.volumes.encrypted = true; });
  EXPECT_THAT(said("encryption"), HasSubstr("yellow: its DR copy is not encrypted yet"));
  plan_says([](DrPlan& plan) { plan.production.volumes.encrypted = true; });
  EXPECT_THAT(said("encryption"), HasSubstr("red: its DR copy leaves out zeros"));
  change([](DrCopy& it) { it.encrypted = true; });
  EXPECT_EQ(said("encryption"), "");
}

// The account encrypted its images by default.
TEST_F(PreflightTest, ACopyWhoseImagesHoldTheirZerosIsNotRed) {
  plan_says([](DrPlan& plan) { plan.production.volumes.encrypted = true; });
  ImageSpec spec;
  spec.size_bytes = copy.disks.at(0).size_bytes;
  spec.token = "encrypted";
  spec.encryption.encrypted = true;
  const ImageId image = site.start_image(spec).value();
  ASSERT_TRUE(site.open_writer(image).value()->complete().ok());
  EXPECT_THAT(said("encryption"), HasSubstr("red: its DR copy leaves out zeros"));
  change([&](DrCopy& it) { it.disks.at(0).image_id = image; });
  EXPECT_EQ(said("encryption"), "");
}

TEST_F(PreflightTest, ACertificateSaysWhetherItBoots) {
  change([](DrCopy& it) { it.certificate->warnings = {"swap will not be there"}; });
  EXPECT_THAT(said("certificate"), HasSubstr("yellow: would boot; swap will not be there"));
  change([](DrCopy& it) {
    it.certificate->would_boot = false;
    it.certificate->reason = "no boot loader";
  });
  EXPECT_THAT(said("certificate"), HasSubstr("red: would not boot: no boot loader"));
  is_signed = false;
  EXPECT_THAT(said("certificate"), HasSubstr("red: its signature is not by this vault"));
  is_signed = error(ErrorCode::unavailable, "the vault does not answer");
  EXPECT_THAT(said("certificate"),
              HasSubstr("yellow: its signature was not checked: the vault does not answer"));
  change([](DrCopy& it) {
    it.certificate.reset();
    it.converted = false;
  });
  EXPECT_THAT(said("certificate"), HasSubstr("yellow: the copy is converted only at failover"));
}

TEST_F(PreflightTest, ACertificateOfAnotherPointIsNone) {
  change([](DrCopy& it) { it.certificate->recovery_point_id = RecoveryPointId("point-0"); });
  EXPECT_THAT(said("certificate"), HasSubstr("red: its signature"));
}

TEST_F(PreflightTest, SettingsThatWouldBeRefusedAreRed) {
  plan_says([](DrPlan& plan) { plan.test.instance_type = "none"; });
  EXPECT_THAT(said("launch"), HasSubstr("green"));
  EXPECT_THAT(said("launch", FailoverKind::test), HasSubstr("red: instance type 'none' does not exist"));
}

TEST_F(PreflightTest, TwoMachinesWithOneAddressAreRed) {
  plan_says([](DrPlan& plan) { plan.machines.push_back({"db", plan.machines[0].production, {}}); });
  DrCopy second = copy;
  second.id = "copy-2";
  second.machine = "db";
  ASSERT_TRUE(catalog->put(second).ok());
  EXPECT_THAT(said("launch"), HasSubstr("red: its address 10.0.0.5 is that of web too"));
}

TEST_F(PreflightTest, TwoMachinesWithOnePublicAddressAreRed) {
  plan_says([](DrPlan& plan) {
    plan.production.public_ip = "eipalloc-1";
    plan.machines.push_back({"db", plan.machines[0].production, {}, {}});
    plan.machines[1].production.private_ip = "10.0.0.6";
  });
  DrCopy second = copy;
  second.id = "copy-2";
  second.machine = "db";
  ASSERT_TRUE(catalog->put(second).ok());
  EXPECT_THAT(said("launch"), HasSubstr("red: its address eipalloc-1 is that of web too"));
}

TEST_F(PreflightTest, ASubnetMustHaveAnAddressForEach) {
  EXPECT_EQ(said("addresses"), "green: 200 free in subnet-1\n");
  site.set_free_addresses(1);
  plan_says([](DrPlan& plan) {
    plan.machines.push_back({"db", plan.machines[0].production, {}, {}});
    plan.machines[1].production.private_ip = "auto";
  });
  DrCopy second = copy;
  second.id = "copy-2";
  second.machine = "db";
  ASSERT_TRUE(catalog->put(second).ok());
  EXPECT_THAT(said("addresses"), HasSubstr("red: 2 machines start in subnet-1, which has 1 free addresses"));
}

TEST_F(PreflightTest, CallsThatMayNotBeMadeAreRedWithTheirNames) {
  EXPECT_EQ(said("permissions"),
            "green: remove_image may be called; not tried, for there is nothing to try them on: terminate\n");
  site.set_refused({"terminate", "stop"});
  EXPECT_THAT(said("permissions"), HasSubstr("red: terminate, stop may not be called"));
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "try_calls" ? Result<>(error(ErrorCode::unavailable, "throttled")) : Result<>();
  });
  EXPECT_EQ(said("permissions"), "yellow: were not tried: throttled\n");
}

TEST_F(PreflightTest, OnlyCallsThatThePlanMakesAreTried) {
  check();
  EXPECT_FALSE(site.planned_calls().through_volumes);
  EXPECT_FALSE(site.planned_calls().without_source_check);
  EXPECT_FALSE(site.planned_calls().asks_site_checks);
  EXPECT_EQ(site.planned_calls().elastic_ip, "");
  plan_says([](DrPlan& plan) {
    plan.write = ImageWriting::volume;
    plan.test.source_dest_check = false;
    plan.machines[0].production.health_check = "status";
    plan.machines[0].test.public_ip = "eipalloc-7";
  });
  check(FailoverKind::test);
  EXPECT_TRUE(site.planned_calls().through_volumes);
  EXPECT_TRUE(site.planned_calls().without_source_check);
  EXPECT_TRUE(site.planned_calls().asks_site_checks);
  EXPECT_EQ(site.planned_calls().elastic_ip, "eipalloc-7");
  check(FailoverKind::production);
  EXPECT_FALSE(site.planned_calls().without_source_check) << "it is the tests' alone";
  EXPECT_EQ(site.planned_calls().elastic_ip, "");
}

TEST_F(PreflightTest, KeysOfCopiesAndOfVolumesAreTriedOnceEach) {
  EXPECT_EQ(said("key"), "");
  plan_says([](DrPlan& plan) { plan.copies_kms_key = "no-key"; });
  EXPECT_EQ(said("key"), "") << "its copies are not encrypted";
  plan_says([](DrPlan& plan) { plan.encrypt_copies = true; });
  EXPECT_EQ(said("key"), "red: there is no key 'no-key'\n");
  plan_says([](DrPlan& plan) {
    plan.copies_kms_key = "key-1";
    plan.production.volumes.kms_key = "key-1";
  });
  change([](DrCopy& it) {
    it.encrypted = true;
    it.kms_key = "key-0";
  });
  EXPECT_EQ(said("key"), "green: key-0 can be used\ngreen: key-1 can be used\n");
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "check_key" ? Result<>(error(ErrorCode::unavailable, "no answer")) : Result<>();
  });
  EXPECT_THAT(said("key"), HasSubstr("yellow: was not checked: no answer"));
}

TEST_F(PreflightTest, ACopyWithoutItsZerosIsRedWhereTheAccountEncryptsSince) {
  EXPECT_EQ(said("encryption"), "");
  site.set_encrypts_by_default(true);
  EXPECT_THAT(said("encryption"), HasSubstr("red: the account encrypts every volume by default since"));
  EXPECT_THAT(said("encryption"), HasSubstr("'rekindle replicate run plan'"));
  const ImageId image = site.start_image({copy.disks.at(0).size_bytes, {}, "", "second", {}}).value();
  ASSERT_TRUE(site.open_writer(image).value()->complete().ok());
  change([&](DrCopy& it) { it.disks.at(0).image_id = image; });  // encrypted, though nobody asked for it
  EXPECT_EQ(said("encryption"), "");
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "encrypts_by_default" ? Result<>(error(ErrorCode::permission_denied, "no")) : Result<>();
  });
  EXPECT_EQ(said("encryption"), "yellow: whether the account encrypts by default was not asked: no\n");
}

TEST_F(PreflightTest, CallsOfWhichNoneCouldBeTriedAreNotGreen) {
  change([](DrCopy& it) { it.disks.clear(); });
  EXPECT_EQ(said("permissions"), "yellow: none could be tried: remove_image, terminate\n");
}

TEST_F(PreflightTest, WhereOnlyAnotherSubnetHasRoomItIsYellow) {
  plan_says([](DrPlan& plan) { plan.production.other_subnets = {"subnet-test"}; });
  EXPECT_EQ(said("launch"),
            "yellow: its address 10.0.0.5 is not in 10.9.0.0/16 of subnet-test: it gets any free one there\n"
            "green: small in subnet-1\n");
  bool asked = false;
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    if (method != "check_launch" || asked) return {};
    asked = true;
    return error(ErrorCode::exhausted, "subnet-1 is full");
  });
  EXPECT_THAT(said("launch"), HasSubstr("yellow: small in subnet-test, for subnet-1 is full\n"));
}

TEST_F(PreflightTest, BackupsThatStoppedAreYellow) {
  BackupPolicy policy;
  policy.name = "daily";
  policy.machines = {"web"};
  policy.schedule = parse_schedule("daily 02:30").value();
  ASSERT_TRUE(catalog->put(policy).ok());
  EXPECT_THAT(said("age"), HasSubstr("green"));
  clock.advance(std::chrono::hours(24 * 30));
  EXPECT_THAT(said("age"), HasSubstr("yellow"));
  EXPECT_THAT(said("age"), HasSubstr("its policy daily wants a backup 'daily 02:30', and the newest is of"));
}

TEST_F(PreflightTest, ACopyOfBeforeTheHomecomingIsRed) {
  Failover returned;
  returned.id = "failover-1";
  returned.plan = "plan";
  returned.machine = "web";
  returned.state = FailoverState::returned;
  returned.instance_id = InstanceId("instance-7");
  returned.finished = clock.now() + std::chrono::hours(1);
  ASSERT_TRUE(catalog->put(returned).ok());
  EXPECT_THAT(said("failover"), HasSubstr("red: web came home from instance-7"));
  EXPECT_THAT(fail_over().error, HasSubstr("web came home from instance-7"));
  add_point("point-2");
  returned.returned_point = RecoveryPointId("point-2");
  ASSERT_TRUE(catalog->put(returned).ok());
  EXPECT_THAT(said("failover"), HasSubstr("red: web came home from instance-7"));
  change([](DrCopy& it) { it.recovery_point_id = RecoveryPointId("point-2"); });
  EXPECT_EQ(said("failover"), "") << "the last point that was brought home is older than the homecoming";
}

TEST_F(PreflightTest, AJobThatIsNotFinishedIsYellow) {
  EXPECT_EQ(said("unfinished"), "");
  Job job = catalog->create_job(JobKind::failover, "web", {{"plan", "plan"}}, "launch").value();
  EXPECT_THAT(said("unfinished"), HasSubstr("yellow: failover " + job.id.str() + " is not finished"));
  EXPECT_THAT(said("unfinished"), HasSubstr("rekindle failover clean-up plan"));
  job = catalog->claim_job(job.id, process_owner()).value();
  job.state = JobState::cancelled;
  ASSERT_TRUE(catalog->save_job(job).ok());
  ASSERT_TRUE(catalog->create_job(JobKind::failback, "web", {{"plan", "plan"}}, "copy").ok());
  EXPECT_THAT(said("unfinished"), HasSubstr("rekindle failback cancel plan"));
}

TEST_F(PreflightTest, QuotasAreAskedForAllMachinesTogether) {
  plan_says([](DrPlan& plan) {
    plan.machines[0].production.instance_type = "large";
    plan.machines.push_back({"db", plan.machines[0].production, {}, {}});
    plan.machines[1].production.private_ip = "10.0.0.6";
  });
  EXPECT_EQ(said("quotas"), "green: leave room for 1 instances\n") << "the other has no copy yet";
  DrCopy second = copy;
  second.id = "copy-2";
  second.machine = "db";
  ASSERT_TRUE(catalog->put(second).ok());
  EXPECT_EQ(said("quotas"), "red: 2 of type large are wanted, the quota allows 1\n");
  const auto findings = check().findings;
  const auto found = std::find_if(findings.begin(), findings.end(),
                                  [](const Finding& finding) { return finding.topic == "quotas"; });
  ASSERT_NE(found, findings.end());
  EXPECT_EQ(found->machine, "") << "it is of the whole plan";
}

TEST_F(PreflightTest, QuotasThatCannotBeAskedAreYellow) {
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "check_quotas" ? Result<>(error(ErrorCode::unavailable, "no answer")) : Result<>();
  });
  EXPECT_EQ(said("quotas"), "yellow: were not checked: no answer\n");
}

TEST_F(PreflightTest, ACopyWithoutATemplateIsAskedAbout) {
  EXPECT_EQ(said("template"), "green: can be registered\n");
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "check_template" ? Result<>(error(ErrorCode::permission_denied, "not allowed"))
                                      : Result<>();
  });
  EXPECT_EQ(said("template"), "red: not allowed\n");
  change([](DrCopy& it) { it.template_id = TemplateId("template-1"); });
  EXPECT_EQ(said("template"), "") << "it has one: the launch itself is tried";
  change([](DrCopy& it) { it.template_id = TemplateId(); });
  ASSERT_TRUE(site.remove_image(copy.disks.at(0).image_id).ok());
  EXPECT_EQ(said("template"), "") << "that its image is gone was said already";
}

TEST_F(PreflightTest, APlanThatWritesThroughVolumesNeedsItsProxy) {
  EXPECT_EQ(said("proxy"), "");
  plan_says([](DrPlan& plan) { plan.write = ImageWriting::volume; });
  EXPECT_THAT(said("proxy"),
              HasSubstr("yellow: the plan writes through volumes, and the account account names"));
  Account account;
  account.name = "account";
  account.proxy_instance_id = "instance-9";
  ASSERT_TRUE(catalog->put(account).ok());
  EXPECT_THAT(said("proxy"),
              HasSubstr("yellow: no DR copy can be made: the instance instance-9 does not exist"));
  LaunchSpec spec;
  spec.token = "proxy";
  spec.image_template =
      site.register_template({"proxy", Firmware::bios, {{copy.disks.at(0).image_id, ""}}, {}}).value();
  account.proxy_instance_id = site.launch(spec).value().str();
  ASSERT_TRUE(catalog->put(account).ok());
  ASSERT_TRUE(site.start(InstanceId(account.proxy_instance_id)).ok());
  EXPECT_EQ(said("proxy"), fmt::format("green: {} runs\n", account.proxy_instance_id));
  ASSERT_TRUE(site.stop(InstanceId(account.proxy_instance_id)).ok());
  EXPECT_THAT(said("proxy"), HasSubstr("does not run"));
}

TEST_F(PreflightTest, OneThatRunsAlreadyIsRed) {
  ASSERT_EQ(fail_over().state, JobState::succeeded);
  EXPECT_THAT(said("failover"), HasSubstr("red: web runs already as instance-"));
  EXPECT_EQ(said("failover", FailoverKind::test), "");
}

TEST_F(PreflightTest, AScriptInsideAMachineNeedsAnAgentThatIsLetIn) {
  EXPECT_EQ(said("scripts"), "");
  plan_says([](DrPlan& plan) {
    plan.steps.resize(1);
    plan.steps[0].name = "front";
    plan.steps[0].machines = {"web"};
    plan.steps[0].script = "true";
  });
  EXPECT_EQ(said("scripts"), "") << "it runs here";
  plan_says([](DrPlan& plan) { plan.steps[0].script_on = {"web"}; });
  EXPECT_THAT(said("scripts"), HasSubstr("green: inside machines may be asked for"));
  EXPECT_THAT(said("script"), HasSubstr("yellow: step front runs its script in it"));
  EXPECT_THAT(said("script"), HasSubstr("it has no instance_profile"));
  plan_says([](DrPlan& plan) { plan.production.instance_profile = "managed"; });
  EXPECT_EQ(said("script"), "");
  plan_says([](DrPlan& plan) { plan.test.leave_stopped = true; });
  EXPECT_EQ(said("script"), "") << "production's is not";
  EXPECT_THAT(said("script", FailoverKind::test),
              HasSubstr("red: step front runs its script in it, and it is left stopped"));
}

TEST_F(PreflightTest, ScriptsInsideMachinesThatMayNotBeAskedForAreRed) {
  plan_says([](DrPlan& plan) {
    plan.steps.resize(1);
    plan.steps[0].name = "front";
    plan.steps[0].machines = {"web"};
    plan.steps[0].script = "true";
    plan.steps[0].script_on = {"web"};
  });
  const auto refuse = [this](ErrorCode code) {
    site.scripts().set_fault([code](std::string_view, bool) { return Result<>(error(code, "the reason")); });
  };
  refuse(ErrorCode::permission_denied);
  EXPECT_THAT(said("scripts"), HasSubstr("red: inside machines are refused: the reason"));
  refuse(ErrorCode::unavailable);
  EXPECT_THAT(said("scripts"), HasSubstr("yellow: inside machines could not be asked about: the reason"));
}

TEST_F(PreflightTest, AnAccountThatDoesNotAnswerIsAllThatIsSaid) {
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "identity" ? Result<>(error(ErrorCode::unauthenticated, "the key is not known"))
                                : Result<>();
  });
  const Preflight preflight = check();
  ASSERT_EQ(preflight.findings.size(), 1U);
  EXPECT_EQ(preflight.light, Light::red);
  EXPECT_THAT(said("account"), HasSubstr("red: the key is not known"));
}

}  // namespace
}  // namespace rekindle
