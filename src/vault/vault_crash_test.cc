// The vault when its writer dies, its store fails or is full, and when two write at once.
#include <atomic>
#include <thread>

#include "store/faulty_store.h"
#include "store/retrying_store.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

// As few threads as there can be, so that the store sees nearly the same calls every time.
WriterOptions in_order() {
  return {.threads = 1, .readers = 1, .pack_bytes = 800 * kib, .frame_chunks = 4};
}

// A machine with two points in the vault, and changes for a third.
struct Scene {
  explicit Scene(std::uint64_t seed) : random(seed) {
    auto vault = Vault::create(store, test_secret()).value();
    machine.disk("d", 5 * mib).put(0, sample_bytes(random, 5 * mib));
    CHECK(machine.back_up(*vault, "p1").ok());
    change();
    CHECK(machine.back_up(*vault, "p2", "p1").ok());
    change();
  }
  void change() {
    for (int i = 0; i < 6; ++i) machine.disk("d").put(random.below(4 * mib), sample_bytes(random, 300 * kib));
  }
  // Every point that is listed gives back what it held; `sure` ones are listed.
  void expect_whole(const std::vector<std::string>& sure) {
    auto vault = Vault::open(store, test_secret()).value();
    std::vector<std::string> listed;
    const auto points = vault->list().value();
    for (const VaultPoint& point : points) listed.push_back(point.id.str());
    EXPECT_THAT(listed, testing::IsSupersetOf(sure));
    for (const std::string& point : listed) {
      if (point == "p3") continue;  // compared by who knows what it must hold
      EXPECT_TRUE(succeeds(machine.compare(*vault, point)));
    }
    const CheckReport report = vault->check(CheckLevel::data).value();
    EXPECT_THAT(report.problems, testing::IsEmpty());
  }

  SeededRandom random;
  MemoryStore store;
  TestMachine machine{"vm-1"};
};

std::uint64_t calls_of_a_backup() {
  Scene scene(1);
  FaultyStore counting(scene.store,
                       [](std::uint64_t, StoreCall, std::string_view) { return StoreFault::none; });
  auto vault = Vault::open(counting, test_secret()).value();
  CHECK(scene.machine.back_up(*vault, "p3", "p2", in_order()).ok());
  return counting.calls();
}

TEST(VaultCrash, DyingAtAnyStoreOperationLeavesAllListedPointsWholeAndTheNextRunWorks) {
  const std::uint64_t calls = calls_of_a_backup();
  ASSERT_GT(calls, 15U);
  std::uint64_t deaths = 0;
  for (std::uint64_t death = 0; death < calls; ++death) {
    SCOPED_TRACE(death);
    Scene scene(1);
    FaultyStore dying(scene.store, [&](std::uint64_t number, StoreCall, std::string_view) {
      return number == death ? StoreFault::dead : StoreFault::none;
    });
    auto doomed = Vault::open(dying, test_secret());
    // The threads' order moves the number of calls by one or two: the last deaths may come too late.
    if (doomed.ok() && scene.machine.back_up(**doomed, "p3", "p2", in_order()).ok()) continue;
    ++deaths;
    scene.expect_whole({"p1", "p2"});
    auto vault = Vault::open(scene.store, test_secret()).value();
    ASSERT_TRUE(succeeds(scene.machine.back_up(*vault, "p3", "p2")));
    EXPECT_TRUE(succeeds(scene.machine.compare(*vault, "p3")));
    scene.expect_whole({"p1", "p2", "p3"});
  }
  EXPECT_GE(deaths + 3, calls);
}

TEST(VaultCrash, LosingTheAnswerOfAnyOperationIsRepairedByRetrying) {
  const std::uint64_t calls = calls_of_a_backup();
  for (std::uint64_t lost = 0; lost < calls; ++lost) {
    SCOPED_TRACE(lost);
    Scene scene(1);
    FaultyStore faulty(scene.store, [&](std::uint64_t number, StoreCall, std::string_view) {
      return number == lost ? StoreFault::lost_response : StoreFault::none;
    });
    ManualClock clock{Time{}};
    SeededRandom jitter(1);
    RetryingStore retrying(faulty, RetryPolicy{}, clock, jitter);
    auto vault = Vault::open(retrying, test_secret()).value();
    ASSERT_TRUE(succeeds(scene.machine.back_up(*vault, "p3", "p2")));
    EXPECT_TRUE(succeeds(scene.machine.compare(*vault, "p3")));
  }
}

TEST(VaultCrash, ALostAnswerToTheLastPutLeavesThePointAndTheRepetitionIsASuccess) {
  Scene scene(1);
  std::atomic<bool> lost = false;
  FaultyStore losing(scene.store, [&](std::uint64_t, StoreCall call, std::string_view name) {
    const bool lose = !lost && call == StoreCall::put && name.starts_with("points/");
    if (lose) lost = true;
    return lose ? StoreFault::lost_response : StoreFault::none;
  });
  auto vault = Vault::open(losing, test_secret()).value();
  EXPECT_EQ(scene.machine.back_up(*vault, "p3", "p2", in_order()).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(vault->list().value().size(), 3U);
  EXPECT_TRUE(succeeds(scene.machine.back_up(*vault, "p3", "p2", in_order())));
  scene.expect_whole({"p1", "p2", "p3"});
}

TEST(VaultCrash, AnInterruptedFirstBackupGoesOnWhereItWas) {
  MemoryStore store;
  auto vault = Vault::create(store, test_secret()).value();
  SeededRandom random(3);
  TestMachine machine("vm-1");
  machine.disk("d", 6 * mib).put(0, random.bytes(6 * mib));
  std::atomic<std::uint64_t> puts = 0;
  FaultyStore dying(store, [&](std::uint64_t, StoreCall call, std::string_view) {
    return call == StoreCall::put && ++puts > 5 ? StoreFault::dead : StoreFault::none;
  });
  {
    auto doomed = Vault::open(dying, test_secret()).value();
    ASSERT_FALSE(machine.back_up(*doomed, "p1").ok());
  }
  const std::uint64_t survived = stored_bytes(store);
  ASSERT_GT(survived, 3 * mib);
  const auto point = machine.back_up(*vault, "p1").value();
  EXPECT_GT(point.stats.chunks_deduplicated, 45U);
  EXPECT_LT(stored_bytes(store), 6 * mib + 200 * kib);
  // What was found orphaned is in the index now.
  EXPECT_EQ(machine.back_up(*vault, "p1 again").value().stats.chunks_new, 0U);
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST(VaultFull, SaysSoLeavesNothingVisibleAndWorksOnceThereIsRoom) {
  for (const std::uint64_t room : {std::uint64_t{0}, 100 * kib, 600 * kib}) {
    Scene scene(1);
    scene.store.set_capacity(stored_bytes(scene.store) + room);
    auto vault = Vault::open(scene.store, test_secret()).value();
    const auto full = scene.machine.back_up(*vault, "p3", "p2");
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().code(), ErrorCode::exhausted);
    EXPECT_THAT(full.error().message(), HasSubstr("free space"));
    scene.expect_whole({"p1", "p2"});
    EXPECT_EQ(vault->list().value().size(), 2U);
    scene.store.set_capacity(UINT64_MAX);
    ASSERT_TRUE(succeeds(scene.machine.back_up(*vault, "p3", "p2")));
    scene.expect_whole({"p1", "p2", "p3"});
  }
}

TEST(VaultTogether, SeveralWritersAndReadersShareOneVault) {
  MemoryStore store;
  {
    auto made = Vault::create(store, test_secret()).value();
  }
  SeededRandom random(9);
  const Bytes common = sample_bytes(random, 10 * mib);
  std::vector<TestMachine> machines;
  for (int i = 0; i < 3; ++i) {
    machines.emplace_back(fmt::format("vm-{}", i));
    machines.back().disk("d", 12 * mib).put(0, common);
    machines.back().disk("d").put(10 * mib, sample_bytes(random, mib));
  }
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    auto vault = Vault::open(store, test_secret()).value();
    while (!done) {
      const auto points = vault->list().value();
      for (const VaultPoint& point : points) {
        Bytes got(point.disks[0].size_bytes);
        EXPECT_TRUE(succeeds(vault->open_disk(point.id, DiskId("d")).value()->read_at(0, got)));
      }
    }
  });
  {
    std::vector<std::jthread> writers;
    for (std::size_t i = 0; i < machines.size(); ++i) {
      writers.emplace_back([&, i] {
        auto vault = Vault::open(store, test_secret()).value();
        EXPECT_TRUE(succeeds(machines[i].back_up(*vault, fmt::format("p{}-1", i))));
        machines[i].disk("d").put(3 * mib, Bytes(100 * kib, static_cast<std::byte>(i + 1)));
        EXPECT_TRUE(succeeds(machines[i].back_up(*vault, fmt::format("p{}-2", i), fmt::format("p{}-1", i))));
      });
    }
  }
  done = true;
  auto vault = Vault::open(store, test_secret()).value();
  for (std::size_t i = 0; i < machines.size(); ++i) {
    EXPECT_TRUE(succeeds(machines[i].compare(*vault, fmt::format("p{}-1", i))));
    EXPECT_TRUE(succeeds(machines[i].compare(*vault, fmt::format("p{}-2", i))));
  }
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST(VaultTogether, TwoWritersThroughOneOpenVaultShareWhatTheyFind) {
  MemoryStore store;
  auto vault = Vault::create(store, test_secret()).value();
  SeededRandom random(9);
  TestMachine first("vm-1");
  TestMachine second("vm-2");
  first.disk("d", 8 * mib).put(0, sample_bytes(random, 8 * mib));
  second.disk("d", 8 * mib).put(0, first.disk("d").content);
  {
    std::jthread other([&] { EXPECT_TRUE(succeeds(second.back_up(*vault, "q"))); });
    EXPECT_TRUE(succeeds(first.back_up(*vault, "p")));
  }
  EXPECT_TRUE(succeeds(first.compare(*vault, "p")));
  EXPECT_TRUE(succeeds(second.compare(*vault, "q")));
}

}  // namespace
}  // namespace rekindle
