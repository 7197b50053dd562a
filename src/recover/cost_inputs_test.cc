#include "recover/cost_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/json.h"
#include "site/memory_site.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CostInputsTest : public testing::Test {
 protected:
  CostInputsTest() {
    DrPlan plan;
    plan.name = "plan";
    plan.account = "account";
    plan.replicate = parse_schedule("hourly").value();
    plan.production.instance_type = "auto";
    plan.production.subnet_id = "subnet-1";
    plan.machines = {{"web", {}, {}, {}}};
    EXPECT_TRUE(catalog->put(plan).ok());
    RecoveryPoint point;
    point.id = RecoveryPointId("point-1");
    point.machine.name = "web";
    point.machine.vcpus = 2;
    point.machine.memory_mib = 2048;
    point.disks = {{DiskId("a"), 10 * gib, "", {}}, {DiskId("b"), 2 * gib, "", {}}};
    point.full = true;
    point.bytes_changed = 3 * gib;
    EXPECT_TRUE(catalog->put(point).ok());
  }

  void plan_says(const std::function<void(DrPlan&)>& how) {
    auto plan = catalog->get<DrPlan>("plan").value();
    how(plan);
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  void replicated(const std::vector<std::uint64_t>& blocks, bool update, const std::string& plan = "plan",
                  nlohmann::json more = nlohmann::json::object(), std::vector<std::string> anew = {}) {
    more["plan"] = plan;
    Job job = catalog->create_job(JobKind::replicate, "web", more, "choose").value();
    job = catalog->claim_job(job.id, "test").value();
    for (std::size_t i = 0; i < blocks.size(); ++i) job.data[fmt::format("blocks_put_{}", i)] = blocks[i];
    if (update) job.data["old_copy"] = DrCopy();
    if (!anew.empty()) job.data["anew"] = anew;
    job.state = JobState::succeeded;
    ASSERT_TRUE(catalog->save_job(job).ok());
  }
  CostInputs inputs() { return cost_inputs(*catalog, site, "plan", 720).value(); }
  CostMachine web() { return inputs().machines.at(0); }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock clock;
  MemorySite site;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
};

TEST_F(CostInputsTest, BeforeTheFirstReplicationTheLastFullBackupSaysWhatTheCopyWillHold) {
  const CostMachine machine = web();
  EXPECT_EQ(machine.disk_bytes, (std::vector<std::uint64_t>{10 * gib, 2 * gib}));
  EXPECT_EQ(machine.image_bytes, 3 * gib);
  EXPECT_EQ(machine.blocks_put, std::nullopt);
  EXPECT_EQ(machine.replications, 720);
  EXPECT_EQ(machine.instance_type, "small") << "auto, as a failover would have it";
}

TEST_F(CostInputsTest, AfterwardsTheReplicationsDo) {
  replicated({2048, 1024}, false);
  replicated({10, 0}, true);
  replicated({30, 20}, true);
  replicated({5000, 0}, true, "another plan");
  replicated({5000, 0}, true, "plan", {{"point", "point-0"}});
  const CostMachine machine = web();
  EXPECT_EQ(machine.image_bytes, (2048 + 1024) * image_block_bytes);
  EXPECT_EQ(machine.blocks_put, 30) << "the mean of 10 and 50: the first is no update";
  EXPECT_EQ(machine.blocks_read, 30 + 2 * 32);
}

TEST_F(CostInputsTest, CopiesThatAreKeptHoldWhatDiffers) {
  replicated({1024, 0}, false);
  replicated({16, 0}, true);
  plan_says([](DrPlan& plan) { plan.keep_copies = 3; });
  EXPECT_EQ(web().image_bytes, (1024 + 2 * 16) * image_block_bytes);
}

TEST_F(CostInputsTest, EncryptedCopiesHoldTheWholeDisks) {
  plan_says([](DrPlan& plan) { plan.encrypt_copies = true; });
  EXPECT_EQ(web().image_bytes, 12 * gib) << "also the first, whatever is in use";
  replicated({1024, 0}, false);
  EXPECT_EQ(web().image_bytes, 12 * gib) << "of before it was encrypted";
  replicated({16, 0}, true);
  plan_says([](DrPlan& plan) { plan.keep_copies = 2; });
  EXPECT_EQ(web().image_bytes, 12 * gib + 16 * image_block_bytes);
  plan_says([](DrPlan& plan) {
    plan.encrypt_copies = false;
    plan.keep_copies = 1;
  });
  EXPECT_EQ(web().image_bytes, 1024 * image_block_bytes);
  plan_says([](DrPlan& plan) { plan.machines[0].test.volumes.encrypted = true; });
  EXPECT_EQ(web().image_bytes, 12 * gib) << "a machine that starts encrypted has them, too";
}

TEST_F(CostInputsTest, ACopyThatWasMadeAnewIsNoUpdate) {
  replicated({1024, 0}, false);
  replicated({16, 0}, true);
  replicated({2048, 0}, true, "plan", nlohmann::json::object(), {"a"});
  EXPECT_EQ(web().blocks_put, 16);
}

TEST_F(CostInputsTest, APlanThatReadsAllBackReadsAll) {
  replicated({16, 0}, true);
  plan_says([](DrPlan& plan) { plan.verify_all = true; });
  EXPECT_EQ(web().blocks_read, 12 * 2048);
}

TEST_F(CostInputsTest, AfterBackupIsAsOftenAsThePoliciesSay) {
  plan_says([](DrPlan& plan) { plan.replicate = Schedule{ScheduleKind::after_backup}; });
  EXPECT_EQ(web().replications, 0);
  BackupPolicy policy;
  policy.name = "all";
  policy.machines = {"web"};
  policy.schedule = parse_schedule("daily 02:30").value();
  ASSERT_TRUE(catalog->put(policy).ok());
  policy.name = "others";
  policy.machines = {"db"};
  ASSERT_TRUE(catalog->put(policy).ok());
  EXPECT_EQ(web().replications, 30);
}

TEST_F(CostInputsTest, ASiteThatDoesNotAnswerCostsOnlyTheType) {
  site.set_fault(
      [](std::string_view, bool) -> Result<> { return error(ErrorCode::unavailable, "no answer"); });
  EXPECT_THAT(inputs().left_out, ElementsAre(HasSubstr("web: its instance type is not known")));
  EXPECT_EQ(web().instance_type, "");
  plan_says([](DrPlan& plan) { plan.production.instance_type = "large"; });
  EXPECT_THAT(inputs().left_out, ElementsAre());
  EXPECT_EQ(web().instance_type, "large");
}

TEST_F(CostInputsTest, AMachineWithoutARecoveryPointIsLeftOut) {
  plan_says([](DrPlan& plan) { plan.machines.push_back({"db", {}, {}, {}}); });
  EXPECT_EQ(inputs().machines.size(), 1U);
  EXPECT_THAT(inputs().left_out, ElementsAre(HasSubstr("db: it was never backed up")));
}

TEST_F(CostInputsTest, APlanThatDoesNotExistIsAnError) {
  EXPECT_EQ(cost_inputs(*catalog, site, "other", 720).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
