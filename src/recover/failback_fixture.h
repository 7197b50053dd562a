// A small real guest that was backed up, replicated, failed over, and lives in the account: what failback is
// tested on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "disk/memory_disk.h"
#include "guest/ext4_volume.h"
#include "guest/guest_to_convert_fixture.h"
#include "guest/volume_view.h"
#include "protect/backup.h"
#include "protect/instance_backup.h"
#include "protect/replicate.h"
#include "recover/answering_transport_for_tests.h"
#include "recover/failback.h"
#include "recover/failover.h"
#include "site/memory_site.h"
#include "store/memory_store.h"

namespace rekindle {

class FailbackTest : public testing::Test, public Vaults {
 protected:
  static constexpr std::uint64_t data_bytes = 3 * mib;

  FailbackTest() {
    Machine machine;
    machine.id = id;
    machine.name = "web";
    machine.power = PowerState::on;
    machine.disks = {{DiskId("disk-a"), "Hard disk 1", guest_to_convert().size(), 0, ""},
                     {DiskId("disk-b"), "Hard disk 2", data_bytes, 1, ""}};
    machine.nics = {{"nic", "00:50:56:00:00:01", "VM Network", "vmxnet3"}};
    site.add_machine(machine);
    site.guest_writes(id, 0, 0, guest_to_convert());
    site.guest_writes(id, 1, 0, random.bytes(256 * kib));
    DrPlan plan;
    plan.name = "plan";
    plan.account = "account";
    plan.production.instance_type = "small";
    plan.production.subnet_id = "subnet-1";
    plan.failback.health_check = "http://web.example.com/";
    plan.failback.test_network = "isolated";
    plan.machines = {{"web", {}, {}}};
    EXPECT_TRUE(catalog->put(plan).ok());
    http.answer = [](const HttpRequest&) { return HttpResponse::text(200, "text/plain", "hello"); };
  }

  Result<Vault*> vault(const std::string&) override { return the_vault.get(); }

  Job run(const JobProcedure& procedure, nlohmann::json parameters) {
    clock.sleep(std::chrono::milliseconds(2));  // points are ordered by their time
    JobRunner runner(*catalog, clock, random, observer);
    return runner.start(procedure, "web", std::move(parameters)).value();
  }
  Job back_up() {
    return run(backup_procedure(site, *this), parameters_of(BackupRequest{"dc", "vault", "web", id, false}));
  }
  Job replicate() {
    return run(replicate_procedure(site, *this), parameters_of(ReplicateRequest{"plan", "web", ""}));
  }
  Job fail_over() {
    const auto power = [](const std::string&) -> Result<PowerState> {
      return error(ErrorCode::unavailable, "the datacenter does not answer");
    };
    return run(failover_procedure({site, http, power}),
               parameters_of(FailoverRequest{"plan", "web", FailoverKind::production}));
  }
  // Protected, struck, and running in the account.
  void live_in_the_account() {
    ASSERT_EQ(back_up().state, JobState::succeeded);
    ASSERT_EQ(replicate().state, JobState::succeeded);
    const Job job = fail_over();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
    left_as[0] = site.disk_content(id, 0);
    left_as[1] = site.disk_content(id, 1);
  }

  JobProcedure failback() {
    return failback_procedure(
        {site, *this, http, [this](const InstanceBackupRequest& request, std::stop_token stop) {
           JobRunner runner(*catalog, clock, random, observer);
           clock.sleep(std::chrono::milliseconds(2));
           return runner.start(instance_backup_procedure(site, *this), request.machine,
                               parameters_of(request), std::move(stop));
         }});
  }
  nlohmann::json asked(FailbackRequest request = {}) {
    request.plan = "plan";
    request.machine = "web";
    request.failover_id = failover().id;
    return parameters_of(request);
  }
  Job come_home(const FailbackRequest& request = {}) { return run(failback(), asked(request)); }

  Failover failover() { return catalog->list<Failover>("web")->back(); }
  InstanceId instance() { return failover().instance_id; }
  InstanceState instance_state() { return site.instance(instance())->state; }
  RunsAt runs_at() { return catalog->get<ProtectedMachine>("web")->runs_at; }
  RecoveryPoint newest_point() { return catalog->list<RecoveryPoint>("web")->back(); }
  Bytes stored(const RecoveryPoint& point, const char* disk) {
    const auto source = the_vault->open_disk(point.id, DiskId(disk)).value();
    Bytes content(source->size());
    EXPECT_TRUE(source->read_at(0, content).ok());
    return content;
  }

  // What the guest does in the account: a file of its own, and data.
  void write_in_the_account() {
    Bytes disk = site.instance_disk(instance());
    MemoryDisk memory(disk);
    VolumeView view(memory, {{1 * mib, 15 * mib}});
    const auto volume = Ext4Volume::open(view).value();
    const std::string path = "/lived-" + std::to_string(++files_written);
    ASSERT_TRUE(volume->create(path, as_bytes("in the account"), 0644).ok());
    ASSERT_TRUE(volume->close().ok());
    site.instance_writes(instance(), 0, 0, memory.content());
    site.instance_writes(instance(), 1, 1 * mib, random.bytes(64 * kib));
  }
  std::string file_at_home(const MachineId& machine, const std::string& path) {
    MemoryDisk memory(site.disk_content(machine, 0));
    VolumeView view(memory, {{1 * mib, 15 * mib}});
    const auto text = Ext4Volume::open(view).value()->read_text(path);
    return text.ok() ? *text : "(none)";
  }
  // Never both.
  void expect_one_home() {
    const bool at_home = site.machine(id).ok() && site.machine(id)->power == PowerState::on;
    EXPECT_NE(at_home, instance_state() == InstanceState::running);
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock wall_clock;
  ManualClock clock{wall_clock.now()};
  SystemRandom random;
  JobObserver observer;
  const MachineId id{"uuid-1"};
  MemorySite site;
  AnsweringTransport http;
  MemoryStore store;
  AeadKey key{};
  std::unique_ptr<Vault> the_vault = Vault::create(store, VaultSecret::key(key)).value();
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", wall_clock).value();
  Bytes left_as[2];
  int files_written = 0;
};

}  // namespace rekindle
