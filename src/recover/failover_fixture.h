// A small real guest as a DR copy in a memory site, its plan, and a service that answers: what failover is
// tested on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "guest/guest_to_convert_fixture.h"
#include "jobs/job_runner.h"
#include "recover/answering_transport_for_tests.h"
#include "recover/failover.h"
#include "site/memory_site.h"

namespace rekindle {

class FailoverTest : public testing::Test {
 protected:
  FailoverTest() {
    DrPlan plan;
    plan.name = "plan";
    plan.account = "account";
    plan.health_check_seconds = 20;
    plan.production.instance_type = "small";
    plan.production.subnet_id = "subnet-1";
    PlanMachine machine{"web", {}, {}};
    machine.production.private_ip = "10.0.0.5";
    machine.production.health_check = "http://{private_ip}:8080/";
    plan.machines = {machine};
    EXPECT_TRUE(catalog->put(plan).ok());
    ProtectedMachine protected_machine;
    protected_machine.name = "web";
    EXPECT_TRUE(catalog->put(protected_machine).ok());
    http.answer = [](const HttpRequest&) { return HttpResponse::text(200, "text/plain", "hello"); };
  }

  // The DR copy of a machine with this boot disk, as replication leaves it.
  void copy_of(const Bytes& disk) {
    const ImageId image = site.start_image({disk.size(), {}, "", "dr-copy", {}}).value();
    const auto writer = site.open_writer(image).value();
    for (std::uint64_t i = 0; i < disk.size() / image_block_bytes; ++i) {
      const ByteView block = ByteView(disk).subspan(i * image_block_bytes, image_block_bytes);
      ASSERT_TRUE(writer->put_block(i, block).ok());
    }
    ASSERT_TRUE(writer->complete().ok());
    LedgerEntry entry;
    entry.token = "dr-copy";
    entry.site = "account";
    entry.job_id = JobId("job-1");
    ASSERT_TRUE(catalog->intend(entry).ok());
    ASSERT_TRUE(catalog->mark_exists("dr-copy", image.str()).ok());
    ASSERT_TRUE(catalog->mark_used("dr-copy", "dr_copy:copy-1").ok());
    copy.id = "copy-1";
    copy.plan = "plan";
    copy.account = "account";
    copy.machine = "web";
    copy.state = DrCopyState::current;
    copy.disks = {{DiskId("disk-a"), image, disk.size()}};
    ASSERT_TRUE(catalog->put(copy).ok());
  }

  Job run(const JobProcedure& procedure, nlohmann::json parameters) {
    JobRunner runner(*catalog, clock, random, observer);
    return runner.start(procedure, "web", std::move(parameters)).value();
  }
  Job fail_over(FailoverKind kind = FailoverKind::production) {
    const auto power_now = [this](const std::string&) { return power; };
    return run(failover_procedure({site, http, power_now}),
               parameters_of(FailoverRequest{"plan", "web", kind}));
  }
  Job clean_up(const Failover& failover) {
    return run(failover_cleanup_procedure(site), {{"failover_id", failover.id}});
  }

  std::vector<Failover> failovers() { return catalog->list<Failover>("web").value(); }
  RunsAt runs_at() { return catalog->get<ProtectedMachine>("web")->runs_at; }
  std::vector<Instance> instances() { return site.find_instances({}).value(); }

  // Of what failovers made there is an instance for each that runs; the DR copy is what it was.
  void expect_only(std::size_t live_instances) {
    EXPECT_EQ(site.live_instance_count(), live_instances);
    EXPECT_EQ(site.template_count(), 0U);
    EXPECT_EQ(site.image_count(), 1U);
    EXPECT_TRUE(site.image_content(copy.disks.at(0).image_id) == guest_to_convert())
        << "the DR copy was written to";
    EXPECT_EQ(catalog->ledger()->size(), 1 + live_instances);
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock wall_clock;
  ManualClock clock{wall_clock.now()};  // waiting takes no time
  SystemRandom random;
  JobObserver observer;
  MemorySite site;
  AnsweringTransport http;
  Result<PowerState> power = error(ErrorCode::unavailable, "the datacenter does not answer");
  DrCopy copy;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", wall_clock).value();
};

}  // namespace rekindle
