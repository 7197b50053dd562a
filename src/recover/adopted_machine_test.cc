// A machine that was born in the account, taken into a plan, and brought home.
#include <gmock/gmock.h>

#include "protect/adopted_machine.h"
#include "recover/failback_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

// An instance that nobody failed over: its guest knows EC2's hardware only.
class AdoptTest : public FailbackTest {
 protected:
  AdoptTest() {
    Datacenter datacenter;
    datacenter.name = "dc";
    EXPECT_TRUE(catalog->put(datacenter).ok());
  }
  // Launched from images of ours, which is forgotten.
  InstanceId launch_a_stranger() {
    live_in_the_account();
    const Failover made = failover();
    EXPECT_TRUE(catalog->remove<Failover>(made.id).ok());
    const auto ledger = catalog->ledger().value();
    for (const LedgerEntry& entry : ledger) {
      if (entry.kind != ResourceKind::instance) continue;
      EXPECT_TRUE(catalog->mark_released(entry.token).ok());
    }
    site.instance_writes(made.instance_id, 0, 0, with_vmware_drivers(site.instance_disk(made.instance_id)));
    return made.instance_id;
  }
  AdoptRequest request_for(const InstanceId& instance) {
    return {"plan", instance, "born", "dc", "vault", "VM Network"};
  }
  Job come_home_as(const Failover& failover) {
    FailbackRequest request;
    request.plan = "plan";
    request.machine = failover.machine;
    request.failover_id = failover.id;
    JobRunner runner(*catalog, clock, random, observer);
    return runner.start(failback(), failover.machine, parameters_of(request)).value();
  }
};

TEST_F(AdoptTest, AMachineThatWasBornInTheAccountComesHomeAsANewVm) {
  const InstanceId instance = launch_a_stranger();
  const auto adopted = adopt_machine(*catalog, site, *this, clock, random, request_for(instance));
  ASSERT_TRUE(adopted.ok()) << adopted.error().message();
  EXPECT_EQ(catalog->get<ProtectedMachine>("born")->runs_at, RunsAt::account);
  clock.sleep(std::chrono::milliseconds(2));
  const Job job = come_home_as(*adopted);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const MachineId home = catalog->get<ProtectedMachine>("born")->id;
  const auto made = site.machine(home);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->name, "born");
  EXPECT_EQ(made->vcpus, 2);
  EXPECT_EQ(made->memory_mib, 2048U);
  EXPECT_EQ(made->power, PowerState::on);
  EXPECT_EQ(site.instance(instance)->state, InstanceState::stopped);
  EXPECT_TRUE(site.disk_content(home, 1) == site.instance_disk(instance, 1));
  EXPECT_THAT(file_at_home(home, "/etc/systemd/network/10-rekindle-ens192.link"),
              HasSubstr("Driver=vmxnet3"));
}

TEST_F(AdoptTest, WhoeverIsForgottenAgainGoesOnInTheAccount) {
  const InstanceId instance = launch_a_stranger();
  const auto adopted = adopt_machine(*catalog, site, *this, clock, random, request_for(instance));
  ASSERT_TRUE(adopted.ok()) << adopted.error().message();
  const Job job = run(failover_cleanup_procedure(site), {{"failover_id", adopted->id}});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(site.instance(instance)->state, InstanceState::running);
  EXPECT_EQ(catalog->get<ProtectedMachine>("born").error().code(), ErrorCode::not_found);
}

TEST_F(AdoptTest, TakesNothingTwice) {
  const InstanceId instance = launch_a_stranger();
  AdoptRequest request = request_for(instance);
  request.machine = "web";
  EXPECT_THAT(adopt_machine(*catalog, site, *this, clock, random, request).error().message(),
              HasSubstr("there is a machine web already"));
  ASSERT_TRUE(adopt_machine(*catalog, site, *this, clock, random, request_for(instance)).ok());
  request.machine = "again";
  EXPECT_THAT(adopt_machine(*catalog, site, *this, clock, random, request).error().message(),
              HasSubstr("is the machine born of the plan plan already"));
  EXPECT_EQ(catalog->get<DrPlan>("plan")->machines.size(), 2U);
  request.instance_id = InstanceId("i-unknown");
  EXPECT_EQ(adopt_machine(*catalog, site, *this, clock, random, request).error().code(),
            ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
