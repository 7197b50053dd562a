// What collections take away, what they must not, and when.
#include "store/faulty_store.h"
#include "vault/garbage_fixture.h"
#include "vault/write_lease.h"

namespace rekindle {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

TEST_F(Garbage, WhatOnlyARemovedPointNeededGoesAfterTwoGracePeriodsAndNothingElse) {
  const std::uint64_t with_both = stored_bytes(store);
  remove("p1");
  EXPECT_EQ(vault->get(RecoveryPointId("p1")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(collect().packs_doomed, 0U);  // a removed point protects what it reached
  clock.advance(grace);
  EXPECT_GT(collect().packs_doomed, 0U);
  clock.advance(grace - hours(1));
  EXPECT_EQ(collect().packs_deleted, 0U);
  clock.advance(hours(1));
  const CollectReport last = collect();
  EXPECT_GT(last.packs_deleted, 0U);
  EXPECT_LE(stored_bytes(store), with_both - last.bytes_deleted);
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p2")));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
  EXPECT_EQ(collect().packs_deleted, 0U);
}

TEST_F(Garbage, ARemovedPointProtectsWhatItReachedForAGracePeriod) {
  clock.advance(2 * grace);  // its packs are old
  remove("p1");
  remove("p2");
  EXPECT_EQ(collect().packs_doomed, 0U);
  clock.advance(grace - hours(1));
  EXPECT_EQ(collect().points, 2U);
  EXPECT_EQ(count("removed/"), 2U);
  clock.advance(hours(1));
  EXPECT_GT(collect().packs_doomed, 0U);
  EXPECT_EQ(count("removed/"), 0U);
}

TEST_F(Garbage, AnEmptyVaultHoldsNothingButItsKeysInTheEnd) {
  remove("p1");
  remove("p2");
  for (int pass = 0; pass < 5; ++pass) {
    clock.advance(grace);
    collect();
  }
  EXPECT_EQ(count(""), 2U);
  EXPECT_EQ(count("vault") + count("keys/"), 2U);
}

TEST_F(Garbage, ADryRunTellsAndDoesNothing) {
  remove("p1");
  clock.advance(grace);
  const std::uint64_t before = stored_bytes(store);
  const std::size_t objects = count("");
  const CollectReport told = collect({.grace = grace, .thin_percent = 0, .dry_run = true});
  EXPECT_GT(told.packs_doomed, 0U);
  EXPECT_EQ(stored_bytes(store), before);
  EXPECT_EQ(count(""), objects);
  EXPECT_EQ(collect().packs_doomed, told.packs_doomed);
}

TEST_F(Garbage, PacksOfADeadWriterStayForAGracePeriodAndTheNextWriterUsesThem) {
  FaultyStore dying(store, [](std::uint64_t, StoreCall call, std::string_view name) {
    return call == StoreCall::put && name.starts_with("points/") ? StoreFault::dead : StoreFault::none;
  });
  TestMachine other("vm-2");
  other.disk("d", 2 * mib).put(0, sample_bytes(random, 2 * mib));
  auto doomed = Vault::open(dying, test_secret()).value();
  ASSERT_FALSE(other.back_up(*doomed, "q1").ok());
  clock.advance(grace - hours(1));
  EXPECT_EQ(collect().packs_doomed, 0U);
  EXPECT_EQ(other.back_up(*vault, "q1").value().stats.chunks_new, 0U);
  clock.advance(grace);
  EXPECT_EQ(collect().packs_doomed, 0U);
}

TEST_F(Garbage, AWriterStoresAgainWhatLiesInADoomedPack) {
  TestMachine twin("vm-2");
  twin.disk("d", 4 * mib).put(0, machine.saved("p2").at("d").content);
  remove("p1");
  remove("p2");
  clock.advance(grace);
  EXPECT_GT(collect().packs_doomed, 0U);
  const auto stats = twin.back_up(*vault, "q1").value().stats;
  EXPECT_GT(stats.chunks_new, 0U);
  EXPECT_EQ(stats.chunks_deduplicated, 0U);
  clock.advance(grace);
  EXPECT_GT(collect().packs_deleted, 0U);
  EXPECT_TRUE(succeeds(twin.compare(*vault, "q1")));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST_F(Garbage, ManySmallIndexSegmentsBecomeOne) {
  for (int i = 0; i < 12; ++i) {
    machine.disk("d").put(0, sample_bytes(random, chunk_bytes));
    ASSERT_TRUE(
        succeeds(machine.back_up(*vault, fmt::format("s{}", i), i == 0 ? "p2" : fmt::format("s{}", i - 1))));
  }
  const std::size_t segments = count("index/");
  ASSERT_GE(segments, 12U);
  EXPECT_GE(collect().segments_merged, 8U);
  EXPECT_EQ(collect().segments_merged, 0U);
  clock.advance(grace);
  EXPECT_GE(collect().segments_deleted, 8U);
  EXPECT_LT(count("index/"), segments - 6);
  TestMachine twin("vm-2");
  twin.disk("d", 4 * mib).put(0, machine.saved("s11").at("d").content);
  EXPECT_EQ(twin.back_up(*Vault::open(store, test_secret()).value(), "q").value().stats.chunks_new, 0U);
}

// A backup that goes on while the clock moves and collections run.
class GarbageBesideAWriter : public Garbage {
 protected:
  // Writes what p2 held as a point of another machine; `meanwhile` happens before the commit.
  Result<VaultPoint> write_slowly(const std::function<void()>& meanwhile) {
    const Bytes& content = machine.saved("p2").at("d").content;
    auto writer =
        vault
            ->begin_point({RecoveryPointId("q"), MachineId("vm-2"), {}, {{DiskId("d"), content.size()}}},
                          small_packs())
            .value();
    MemoryDisk source(content);
    CHECK(writer->copy(DiskId("d"), source, {{0, content.size()}}).ok());
    meanwhile();
    return writer->commit(Time{}, "");
  }
};

TEST_F(GarbageBesideAWriter, WhatItRefersToIsDoomedButNotDeletedBeforeItsPointIsListed) {
  remove("p1");
  remove("p2");
  clock.advance(grace);
  ASSERT_TRUE(succeeds(write_slowly([&] {
    EXPECT_GT(collect().packs_doomed, 0U);
    clock.advance(hours(11));
  })));
  clock.advance(grace);
  collect();
  auto disk = vault->open_disk(RecoveryPointId("q"), DiskId("d")).value();
  Bytes got(4 * mib);
  ASSERT_TRUE(succeeds(disk->read_at(0, got)));
  EXPECT_EQ(got, machine.saved("p2").at("d").content);
}

TEST_F(GarbageBesideAWriter, ThatLivedTooLongItIsToldToRunAgain) {
  remove("p1");
  remove("p2");
  clock.advance(grace);
  const auto late = write_slowly([&] {
    collect();
    clock.advance(grace);
    EXPECT_GT(collect().packs_deleted, 0U);
  });
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(late.error().transient());
  EXPECT_THAT(late.error().message(), HasSubstr("run it again"));
  EXPECT_TRUE(vault->list().value().empty());
  EXPECT_TRUE(succeeds(write_slowly([] {})));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST_F(GarbageBesideAWriter, ThatLivedLongCommitsIfNothingItNeedsWasDoomed) {
  EXPECT_TRUE(succeeds(write_slowly([&] {
    clock.advance(3 * grace);
    collect();
  })));
}

TEST_F(Garbage, AParentThatIsRemovedMeanwhileProtectsItsChildOrTheWriterSaysSo) {
  for (const auto& [lasts, commits] : {std::pair(hours(11), true), std::pair(hours(24 * 60), false)}) {
    const std::string id = fmt::format("c{}", lasts.count());
    auto writer =
        vault
            ->begin_point(
                {RecoveryPointId(id), MachineId("vm-1"), RecoveryPointId("p2"), {{DiskId("d"), 4 * mib}}},
                small_packs())
            .value();
    remove("p2");
    clock.advance(lasts);
    collect();
    const auto committed = writer->commit(Time{}, "");
    EXPECT_EQ(committed.ok(), commits);
    if (!committed.ok()) {
      EXPECT_THAT(committed.error().message(), HasSubstr("make a full backup"));
    }
    collect();
    EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
    machine.disk("d").changed.clear();
    if (commits) {
      ASSERT_TRUE(succeeds(machine.back_up(*vault, "p2", "p1")));
    }
  }
}

TEST_F(Garbage, NothingIsCollectedWhileATreeCannotBeRead) {
  remove("p1");
  clock.advance(grace);
  for (const ObjectInfo& object : store.list("tree/").value()) {
    Bytes damaged = store.get(object.name).value();
    for (std::size_t i = header_bytes; i < damaged.size(); i += 100) damaged[i] ^= std::byte{1};
    store.replace(object.name, damaged);
  }
  auto fresh = Vault::open(store, test_secret()).value();
  const auto refused = fresh->collect(collecting);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::corrupt);
  EXPECT_THAT(refused.error().message(), HasSubstr("nothing is collected while that is unknown"));
  EXPECT_EQ(count("doomed/"), 0U);
}

// As a bucket with object lock: what was put under these prefixes cannot be removed yet.
class LockedStore final : public ObjectStore {
 public:
  LockedStore(ObjectStore& inner, std::vector<std::string> locked)
      : inner_(inner), locked_(std::move(locked)) {}

  Result<> put(const std::string& name, ByteView content) override { return inner_.put(name, content); }
  Result<Bytes> get(const std::string& name) override { return inner_.get(name); }
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override {
    return inner_.read_at(name, offset, bytes);
  }
  Result<std::uint64_t> size(const std::string& name) override { return inner_.size(name); }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override { return inner_.list(prefix); }
  Result<> remove(const std::string& name) override {
    for (const std::string& prefix : locked_) {
      if (name.starts_with(prefix)) return error(ErrorCode::permission_denied, "{} is locked", name);
    }
    return inner_.remove(name);
  }
  void unlock() { locked_.clear(); }

 private:
  ObjectStore& inner_;
  std::vector<std::string> locked_;
};

TEST_F(Garbage, WhatTheStoreLocksIsCountedAndGoesWithALaterPass) {
  remove("p1");
  remove("p2");
  LockedStore locked(store, {"data/", "index/", "removed/", "doomed/", "beacons/"});
  auto behind = Vault::open(locked, test_secret()).value();
  clock.advance(grace);
  const CollectReport doomed = behind->collect(collecting).value();
  EXPECT_GT(doomed.packs_doomed, 0U);
  EXPECT_EQ(doomed.objects_locked, 2U);  // removed/*; beacons are young
  const std::size_t data = count("data/");
  clock.advance(grace);
  const CollectReport refused = behind->collect(collecting).value();
  EXPECT_GT(refused.objects_locked, data);
  EXPECT_EQ(count("data/"), data);
  EXPECT_EQ(count("tree/"), 0U);  // not locked: the pass went on behind what was
  EXPECT_EQ(refused.packs_deleted, doomed.packs_doomed - data);
  EXPECT_TRUE(behind->check(CheckLevel::data).value().clean());
  locked.unlock();
  EXPECT_EQ(behind->collect(collecting).value().packs_deleted, data);
  for (int pass = 0; pass < 3; ++pass) {
    clock.advance(grace);
    EXPECT_EQ(behind->collect(collecting).value().objects_locked, 0U);
  }
  EXPECT_EQ(count(""), count("vault") + count("keys/"));
}

TEST_F(Garbage, AGracePeriodShorterThanWritersRelyOnIsRefused) {
  const auto refused = vault->collect({.grace = hours(23)});
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message(), HasSubstr("too short"));
  EXPECT_EQ(vault->remove_point(RecoveryPointId("nope")).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
