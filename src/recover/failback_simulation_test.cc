// A machine's ways home in every weather: calls are lost or refused, the process dies, the datacenter goes
// dark, people meddle; and after each of them, and at the end: it runs at one site, with all that was ever
// written.
//
// Everything follows from the seed. A process dies by that nothing it does takes effect any more: neither at
// the sites, nor in the vault, nor in the catalog, which is put back to what was on the disk at that instant.
#include <mutex>

#include "base/simulation_seeds_for_tests.h"
#include "catalog/sqlite.h"
#include "jobs/sweep.h"
#include "recover/failback_fixture.h"
#include "store/faulty_store.h"

namespace rekindle {
namespace {

// Several threads of a job draw from it.
class SharedDice final : public Random {
 public:
  explicit SharedDice(std::uint64_t seed) : dice_(seed) {}
  void fill(ByteSpan bytes) override {
    const std::lock_guard lock(mutex_);
    dice_.fill(bytes);
  }
  bool one_in(std::uint64_t count) { return below(count) == 0; }

 private:
  std::mutex mutex_;
  SeededRandom dice_;
};

struct Weather {
  std::uint64_t one_call_in = 0;   // meets a fault; 0: none does
  std::uint64_t one_death_in = 0;  // of the faults
  bool dark = false;               // nobody reaches the datacenter
};

class World final : public FailbackTest {
 public:
  explicit World(std::uint64_t seed) : dice_(seed) {
    begin_life();
    site.set_fault([this](std::string_view method, bool done) { return meet(method, done); });
  }
  ~World() override { site.set_fault({}); }

  void perform() {
    ASSERT_NO_FATAL_FAILURE(live_in_the_account());
    for (std::uint64_t life = 1 + dice_.below(2); life > 0; --life) {
      ASSERT_NO_FATAL_FAILURE(spend_time_away());
      ASSERT_NO_FATAL_FAILURE(come_home_somehow());
      ASSERT_NO_FATAL_FAILURE(expect_all_at_home());
      if (life == 1) return;
      ASSERT_NO_FATAL_FAILURE(lose_it_again());
    }
  }

 private:
  void TestBody() override {}

  // The process.

  std::filesystem::path catalog_path() const { return directory.path() / "catalog.db"; }
  std::filesystem::path at_death() const { return directory.path() / "at-death.db"; }

  void begin_life() {
    the_vault.reset();
    mortal_ = std::make_unique<FaultyStore>(store, [this](std::uint64_t, StoreCall, std::string_view) {
      return dead_ ? StoreFault::dead : StoreFault::none;
    });
    the_vault = Vault::open(*mortal_, VaultSecret::key(key)).value();
  }
  void die() {
    auto database = SqliteDatabase::open(catalog_path()).value();
    std::filesystem::remove(at_death());
    ASSERT_TRUE(database.execute(fmt::format("VACUUM INTO '{}'", at_death().string())).ok());
    dead_ = true;
  }
  void be_born_again() {
    if (!dead_) return;
    catalog.reset();
    for (const char* rest : {"", "-wal", "-shm"}) std::filesystem::remove(catalog_path().string() + rest);
    std::filesystem::rename(at_death(), catalog_path());
    catalog = Catalog::open(catalog_path(), wall_clock).value();
    dead_ = false;
    begin_life();
  }

  // What every call of a job meets. Called with the site's lock held.
  Result<> meet(std::string_view method, bool done) {
    if (!acting_) return {};
    if (done) expect_one_site(method);
    if (dead_) return error(ErrorCode::unavailable, "the process is dead");
    if (weather_.dark && (method == "datacenter" || method == "restore_target"))
      return error(ErrorCode::unavailable, "the datacenter does not answer");
    if (weather_.one_call_in == 0 || !dice_.one_in(weather_.one_call_in)) return {};
    if (dice_.one_in(weather_.one_death_in)) {
      die();
      return error(ErrorCode::unavailable, "the process is dead");
    }
    const bool refused = !done && dice_.one_in(3);
    return error(refused ? ErrorCode::permission_denied : ErrorCode::unavailable, "{} {}", method,
                 refused ? "is refused" : "was lost");
  }
  // Only what a job does is looked at: people may do worse.
  void expect_one_site(std::string_view method) {
    if (method != "power_on" && method != "start") return;
    acting_ = false;
    EXPECT_FALSE(runs_at_home() && instance_state() == InstanceState::running)
        << method << ": the machine runs at both sites";
    acting_ = true;
  }
  bool runs_at_home() {
    for (const Machine& machine : site.machines().value())
      if (machine.power == PowerState::on) return true;
    return false;
  }

  // Jobs. One attempt is what one process does: it goes on with what it finds, or begins.

  std::optional<Job> unfinished(JobKind kind) {
    const auto jobs = catalog->unfinished_jobs().value();
    for (const Job& job : jobs)
      if (job.kind == kind) return job;
    return std::nullopt;
  }
  Result<Job> back_up_instance(const InstanceBackupRequest& request, std::stop_token stop) {
    JobRunner runner(*catalog, clock, dice_, observer);
    clock.sleep(std::chrono::milliseconds(2));
    const JobProcedure procedure = instance_backup_procedure(site, *this);
    if (const auto left = unfinished(JobKind::instance_backup)) TRY(runner.resume(procedure, left->id, stop));
    return runner.start(procedure, "web", parameters_of(request), std::move(stop));
  }
  Result<Job> try_to_come_home() {
    const JobProcedure procedure =
        failback_procedure({site, *this, http, [this](const auto& request, std::stop_token stop) {
                              return back_up_instance(request, std::move(stop));
                            }});
    JobRunner runner(*catalog, clock, dice_, observer);
    clock.sleep(std::chrono::milliseconds(2));
    const auto left = unfinished(JobKind::failback);
    if (!left) return runner.start(procedure, "web", asked());
    if (weather_.one_call_in != 0 && dice_.one_in(4)) TRY(catalog->request_cancel(left->id));
    return runner.resume(procedure, left->id);
  }
  void attempt(const Weather& weather) {
    weather_ = weather;
    http.answer = [answers = !dice_.one_in(6) || weather.one_call_in == 0](const HttpRequest&) {
      return HttpResponse::text(answers ? 200 : 500, "text/plain", "");
    };
    acting_ = true;
    const auto job = try_to_come_home();
    acting_ = false;
    weather_ = {};
    const bool died = dead_;
    be_born_again();
    if (died || !job.ok() || job->state == JobState::succeeded || !is_over(job->state)) return;
    EXPECT_EQ(instance_state(), InstanceState::running) << "neither here nor there: " << job->error;
    EXPECT_FALSE(runs_at_home() && job->data.contains("started_at_home")) << job->error;
  }
  bool is_home() { return failover().state == FailoverState::returned; }

  // What the world does.

  void write_there() {
    if (instance_state() != InstanceState::running) return;
    write_in_the_account();
  }
  void spend_time_away() {
    write_there();
    switch (dice_.below(5)) {
      case 0:
        EXPECT_TRUE(site.power_off(home_).ok());
        break;
      case 1:
        site.guest_writes(home_, 1, dice_.below(40) * 64 * kib, dice_.bytes(64 * kib));
        break;
      case 2:
        site.reset_change_tracking(home_);
        break;
      case 3:
        site.lose_machine(home_);
        break;
      default:
        break;
    }
    if (dice_.one_in(5)) site.lose_lineage();
  }
  // An operator who finds nothing running helps himself; one who looks for the old VM switches it on.
  void meddle() {
    if (is_home()) return;
    if (instance_state() == InstanceState::stopped && !runs_at_home() && dice_.one_in(3)) {
      ASSERT_TRUE(site.start(instance()).ok());
    }
    if (site.machine(home_).ok() && site.snapshots(home_)->empty() && dice_.one_in(6)) {
      ASSERT_TRUE(site.power_on(home_).ok());
      site.guest_writes(home_, 1, dice_.below(40) * 64 * kib, dice_.bytes(4 * kib));
      const Result<> off = dice_.one_in(2) ? site.power_off(home_) : Result<>();
      ASSERT_TRUE(off.ok());
    }
    write_there();
  }
  void come_home_somehow() {
    for (std::uint64_t tries = 1 + dice_.below(4); tries > 0 && !is_home(); --tries) {
      attempt({20 + dice_.below(150), 1 + dice_.below(4), dice_.one_in(8)});
      ASSERT_NO_FATAL_FAILURE(meddle());
    }
    for (int tries = 0; tries < 4 && !is_home(); ++tries) attempt({});
    ASSERT_TRUE(is_home()) << "it never came home: " << catalog->jobs_of("web")->back().error;
    for (int tries = 0; tries < 2 && unfinished(JobKind::failback); ++tries) (void)try_to_come_home();
    ASSERT_FALSE(unfinished(JobKind::failback));
    home_ = catalog->get<ProtectedMachine>("web")->id;
  }

  // At home.

  void expect_all_at_home() {
    EXPECT_EQ(runs_at(), RunsAt::datacenter);
    EXPECT_EQ(site.machine(home_)->power, PowerState::on);
    EXPECT_EQ(instance_state(), InstanceState::stopped);
    for (int file = 1; file <= files_written; ++file)
      EXPECT_EQ(file_at_home(home_, "/lived-" + std::to_string(file)), "in the account") << file;
    EXPECT_TRUE(site.disk_content(home_, 1) == site.instance_disk(instance(), 1));
    EXPECT_TRUE(site.disk_content(home_, 0) == stored(newest_point(), "disk-a"));
    // What it was protected by there goes, and nothing else is left.
    const Job gone = run(failover_cleanup_procedure(site), {{"failover_id", failover().id}});
    EXPECT_EQ(gone.state, JobState::succeeded) << gone.error;
    ASSERT_TRUE(sweep_finished_jobs(*catalog, site, clock, "").ok());
    EXPECT_EQ(site.live_instance_count(), 0U);
    EXPECT_EQ(site.snapshot_count(), 0U);
    EXPECT_EQ(site.image_count(), 2U) << "the DR copy's, a disk each";
    EXPECT_EQ(site.machine(home_)->power, PowerState::on);
    expect_protection();
  }
  Job protect_again() {
    return run(backup_procedure(site, *this),
               parameters_of(BackupRequest{"dc", "vault", "web", home_, false}));
  }
  void expect_protection() {
    site.guest_writes(home_, 1, dice_.below(40) * 64 * kib, dice_.bytes(64 * kib));
    const Job job = protect_again();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
    EXPECT_TRUE(stored(newest_point(), "disk-a") == site.disk_content(home_, 0));
    EXPECT_TRUE(stored(newest_point(), "disk-b") == site.disk_content(home_, 1));
  }
  void lose_it_again() {
    const Job copied = replicate();
    ASSERT_EQ(copied.state, JobState::succeeded) << copied.error;
    const Job job = fail_over();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  }

  SharedDice dice_;
  std::unique_ptr<FaultyStore> mortal_;
  Weather weather_;
  std::atomic<bool> dead_ = false;
  bool acting_ = false;  // a job, not the world
  MachineId home_ = id;
};

TEST(FailbackSimulation, ItRunsAtOneSiteWithAllThatWasWrittenWhateverHappens) {
  for_simulation_seeds(8, [](std::uint64_t seed) { World(seed).perform(); });
}

}  // namespace
}  // namespace rekindle
