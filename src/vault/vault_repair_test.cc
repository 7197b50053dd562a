// What a check says of damage, what a repair makes of it, and how the next backup heals the rest.
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

using testing::Contains;
using testing::HasSubstr;

class VaultRepair : public testing::Test {
 protected:
  VaultRepair() {
    machine.disk("d", 4 * mib).put(0, sample_bytes(random, 3 * mib));
    CHECK(machine.back_up(*vault, "p1").ok());
    machine.disk("d").put(mib, sample_bytes(random, 300 * kib));
    CHECK(machine.back_up(*vault, "p2", "p1").ok());
  }
  std::vector<std::string> names(std::string_view prefix) {
    std::vector<std::string> found;
    for (const ObjectInfo& object : store.list(prefix).value()) found.push_back(object.name);
    return found;
  }
  void flip(const std::string& name, std::size_t at) {
    Bytes bytes = store.get(name).value();
    bytes.at(at) ^= std::byte{1};
    store.replace(name, bytes);
  }
  std::unique_ptr<Vault> fresh() { return Vault::open(store, test_secret()).value(); }
  // Which bytes of the point's disk cannot be read, chunk by chunk.
  Extents unreadable(const char* point) {
    auto again = fresh();
    auto disk = again->open_disk(RecoveryPointId(point), DiskId("d")).value();
    std::vector<Extent> lost;
    Bytes chunk(chunk_bytes);
    for (std::uint64_t at = 0; at < disk->size(); at += chunk_bytes) {
      if (!disk->read_at(at, chunk).ok()) lost.push_back({at, chunk_bytes});
    }
    return normalize(lost);
  }

  SeededRandom random{5};
  ManualClock clock{Time(std::chrono::days(20000))};
  MemoryStore store{clock};
  std::unique_ptr<Vault> vault = Vault::create(store, test_secret()).value();
  TestMachine machine{"vm-1"};
};

TEST_F(VaultRepair, TheCheckNamesExactlyTheBytesThatCannotBeRead) {
  for (const std::string& name : names("data/")) {
    flip(name, header_bytes + 10);
    std::map<std::string, Extents> told;
    for (const CheckProblem& problem : fresh()->check(CheckLevel::data).value().problems) {
      EXPECT_THAT(problem.what, HasSubstr(name));
      for (const LostRange& lost : problem.lost) {
        EXPECT_EQ(lost.machine, "vm-1");
        EXPECT_EQ(lost.disk, "d");
        told[lost.point] = unite(told[lost.point], lost.bytes);
      }
    }
    EXPECT_FALSE(told.empty());
    for (const char* point : {"p1", "p2"}) EXPECT_EQ(told[point], unreadable(point)) << point;
    flip(name, header_bytes + 10);
  }
}

TEST_F(VaultRepair, AMissingTreeNamesTheWholeDiskAsLost) {
  for (const std::string& name : names("tree/")) ASSERT_TRUE(store.remove(name).ok());
  Extents lost;
  for (const CheckProblem& problem : fresh()->check(CheckLevel::structure).value().problems) {
    for (const LostRange& range : problem.lost) lost = unite(lost, range.bytes);
  }
  EXPECT_EQ(lost, (Extents{{0, 4 * mib}}));
}

TEST_F(VaultRepair, SamplesFindDamageInTheEndWhateverTheyMissFirst) {
  flip(names("data/").at(0), header_bytes + 10);
  int found = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CheckOptions options;
    options.level = CheckLevel::sampled;
    options.sample_percent = 20;
    options.seed = seed;
    found += fresh()->check(options).value().clean() ? 0 : 1;
  }
  EXPECT_GT(found, 5);
  EXPECT_LT(found, 50);
}

TEST_F(VaultRepair, ACheckTellsHowFarItIsAndStopsWhenItIsTold) {
  CheckOptions options;
  std::uint64_t last = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t all) { last = std::max(last, done * 100 / all); };
  ASSERT_TRUE(vault->check(options).ok());
  EXPECT_EQ(last, 100U);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(vault->check(options, stop.get_token()).error().code(), ErrorCode::cancelled);
}

TEST_F(VaultRepair, ALostIndexIsMadeAgainFromThePacks) {
  const auto segments = names("index/");
  flip(segments.at(0), 40);
  ASSERT_TRUE(store.remove(segments.at(1)).ok());
  const RepairReport report = vault->repair({}).value();
  EXPECT_EQ(report.segments_removed, 1U);
  EXPECT_GT(report.entries_indexed, 40U);
  EXPECT_TRUE(report.lost.empty());
  EXPECT_TRUE(fresh()->check(CheckLevel::data).value().clean());
  TestMachine twin("vm-2");
  twin.disk("d", 4 * mib).put(0, machine.saved("p2").at("d").content);
  EXPECT_EQ(twin.back_up(*fresh(), "q").value().stats.chunks_new, 0U);
}

TEST_F(VaultRepair, AfterARepairAFullBackupOfTheSameContentHealsTheOldPoints) {
  for (const std::string& name : names("data/")) flip(name, header_bytes + 10);
  const RepairReport report = fresh()->repair({}).value();
  EXPECT_GE(report.packs_quarantined, 2U);
  ASSERT_FALSE(report.lost.empty());
  EXPECT_FALSE(unreadable("p2").empty());
  ASSERT_TRUE(succeeds(machine.back_up(*fresh(), "p3")));
  EXPECT_TRUE(succeeds(machine.compare(*fresh(), "p3")));
  EXPECT_TRUE(succeeds(machine.compare(*fresh(), "p2")));
  // What p2 had changed is gone with p1, and exactly that.
  for (const CheckProblem& problem : fresh()->check(CheckLevel::data).value().problems) {
    EXPECT_EQ(problem.points, std::vector<std::string>{"p1"});
  }
}

// The copies in the newer point's packs are all that the old point has.
TEST_F(VaultRepair, CollectingKeepsTheCopiesThatHealedAnOldPoint) {
  for (const std::string& name : names("data/")) flip(name, header_bytes + 10);
  ASSERT_TRUE(fresh()->repair({}).ok());
  const auto healing = fresh();
  ASSERT_TRUE(succeeds(machine.back_up(*healing, "p3")));
  ASSERT_EQ(unreadable("p2"), Extents{});
  ASSERT_TRUE(healing->remove_point(RecoveryPointId("p3")).ok());
  for (int pass = 0; pass < 4; ++pass) {
    clock.advance(std::chrono::days(15));
    ASSERT_TRUE(fresh()->collect({}).ok());
  }
  EXPECT_EQ(unreadable("p2"), Extents{});
}

TEST_F(VaultRepair, WithoutItABackupBelievesTheIndexAndHealsNothing) {
  for (const std::string& name : names("data/")) flip(name, header_bytes + 10);
  EXPECT_EQ(machine.back_up(*fresh(), "p3").value().stats.chunks_new, 0U);
  EXPECT_FALSE(machine.compare(*fresh(), "p3").ok());
}

TEST_F(VaultRepair, WhatHitsNoPointIsQuarantinedAndTheVaultIsWholeAgain) {
  TestMachine twin("vm-2");
  twin.disk("d", mib).put(0, sample_bytes(random, mib));
  const auto before = names("data/");
  ASSERT_TRUE(succeeds(twin.back_up(*vault, "q")));
  ASSERT_TRUE(vault->remove_point(RecoveryPointId("q")).ok());
  for (const std::string& name : names("data/")) {
    if (std::ranges::find(before, name) == before.end()) flip(name, header_bytes + 10);
  }
  EXPECT_FALSE(fresh()->check(CheckLevel::data).value().clean());
  EXPECT_TRUE(vault->repair({}).value().lost.empty());
  const CheckReport after = fresh()->check(CheckLevel::data).value();
  EXPECT_TRUE(after.clean());
  EXPECT_GE(after.quarantined, 1U);
}

TEST_F(VaultRepair, PointsThatCannotBeOpenedAreRemovedOnlyOnRequest) {
  flip(names("points/").at(0), 50);
  EXPECT_EQ(vault->repair({}).value().points_removed, 0U);
  EXPECT_EQ(names("points/").size(), 2U);
  RepairOptions options;
  options.remove_unreadable_points = true;
  EXPECT_EQ(vault->repair(options).value().points_removed, 1U);
  EXPECT_EQ(vault->list().value().size(), 1U);
  EXPECT_TRUE(fresh()->check(CheckLevel::data).value().clean());
}

}  // namespace
}  // namespace rekindle
