// A machine in a memory site, a vault in memory, a catalog in a file: what backup and replication are tested
// on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "base/random.h"
#include "jobs/job_runner.h"
#include "protect/backup.h"
#include "protect/replicate.h"
#include "site/memory_site.h"
#include "store/memory_store.h"

namespace rekindle {

class ProtectTest : public testing::Test, public Vaults {
 protected:
  static constexpr std::uint64_t disk_bytes = 16 * mib;

  ProtectTest() {
    Machine machine;
    machine.id = MachineId("uuid-1");
    machine.name = "web";
    machine.power = PowerState::on;
    machine.disks = {{DiskId("disk-a"), "Hard disk 1", disk_bytes, 0, ""},
                     {DiskId("disk-b"), "Hard disk 2", 3 * mib, 1, ""}};
    site.add_machine(machine);
    DrPlan plan;
    plan.name = "plan";
    plan.account = "account";
    plan.machines = {{"web", {}, {}}};
    EXPECT_TRUE(catalog->put(plan).ok());
    scatter(20);
  }

  Result<Vault*> vault(const std::string&) override { return the_vault.get(); }

  // The guest writes `count` pieces of 64 KiB here and there.
  void scatter(int count) {
    for (int i = 0; i < count; ++i) {
      const std::uint64_t slot = seeded.below(disk_bytes / (64 * kib));
      site.guest_writes(id, 0, slot * 64 * kib, seeded.bytes(64 * kib));
    }
  }

  Job run(JobKind kind, nlohmann::json parameters) {
    const JobProcedure procedure =
        kind == JobKind::backup ? backup_procedure(site, *this) : replicate_procedure(site, *this);
    JobRunner runner(*catalog, clock, random, observer);
    return runner.start(procedure, "web", std::move(parameters)).value();
  }

  Job back_up(bool full = false) {
    BackupRequest request{"dc", "vault", "web", id, full};
    // Points are ordered by their time, in milliseconds.
    clock.sleep(std::chrono::milliseconds(2));
    return run(JobKind::backup, parameters_of(request));
  }

  Job replicate() { return run(JobKind::replicate, parameters_of(ReplicateRequest{"plan", "web", ""})); }

  RecoveryPoint newest_point() { return catalog->list<RecoveryPoint>("web")->back(); }

  Bytes restored(const RecoveryPoint& point, const char* disk) {
    const auto source = the_vault->open_disk(point.id, DiskId(disk)).value();
    Bytes content(source->size());
    EXPECT_TRUE(source->read_at(0, content).ok());
    return content;
  }

  std::vector<DrCopy> copies() { return catalog->list<DrCopy>("web").value(); }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock wall_clock;               // of the catalog, which several threads ask
  ManualClock clock{wall_clock.now()};  // pauses between attempts take no time
  SystemRandom random;
  SeededRandom seeded{42};
  JobObserver observer;
  const MachineId id{"uuid-1"};
  MemorySite site;
  MemoryStore store;
  AeadKey key{};
  std::unique_ptr<Vault> the_vault = Vault::create(store, VaultSecret::key(key)).value();
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", wall_clock).value();
};

}  // namespace rekindle
