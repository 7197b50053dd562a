// What collections take away, what they must not, and when.
#include <atomic>
#include <set>
#include <thread>

#include "store/faulty_store.h"
#include "vault/live_frames.h"
#include "vault/pack_list.h"
#include "vault/vault_fixture.h"
#include "vault/write_lease.h"

namespace rekindle {
namespace {

using std::chrono::hours;
using testing::HasSubstr;
constexpr std::chrono::days grace{14};
constexpr CollectOptions collecting{.grace = grace, .thin_percent = 0};
constexpr CollectOptions compacting{.grace = grace};

class Garbage : public testing::Test {
 protected:
  Garbage() {
    machine.disk("d", 4 * mib).put(0, sample_bytes(random, 3 * mib));
    CHECK(machine.back_up(*vault, "p1").ok());
    machine.disk("d").put(mib, sample_bytes(random, 2 * mib));
    CHECK(machine.back_up(*vault, "p2", "p1").ok());
  }
  CollectReport collect(CollectOptions options = collecting) { return vault->collect(options).value(); }
  std::size_t count(std::string_view prefix) { return store.list(prefix).value().size(); }
  void remove(const char* point) { ASSERT_TRUE(vault->remove_point(RecoveryPointId(point)).ok()); }

  SeededRandom random{5};
  ManualClock clock{Time(std::chrono::days(20000))};
  MemoryStore store{clock};
  std::unique_ptr<Vault> vault = Vault::create(store, test_secret()).value();
  TestMachine machine{"vm-1"};
};

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

TEST_F(Garbage, ThinPacksAreCopiedTogetherAndPointsReadOn) {
  // One chunk in every frame and pack stays.
  TestMachine thin("vm-2");
  thin.disk("d", 8 * mib).put(0, sample_bytes(random, 8 * mib));
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q1")));
  for (std::uint64_t at = 0; at < 8 * mib; at += 32 * chunk_bytes) {
    thin.disk("d").put(at + 4 * chunk_bytes, sample_bytes(random, 28 * chunk_bytes));
  }
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q2", "q1")));
  ASSERT_TRUE(vault->remove_point(RecoveryPointId("q1")).ok());
  clock.advance(grace);
  const std::uint64_t before = stored_bytes(store);
  const CollectReport first = collect(compacting);
  EXPECT_GE(first.packs_compacted, 2U);
  EXPECT_GT(first.bytes_copied, 0U);
  EXPECT_EQ(collect(compacting).packs_compacted, 0U);  // they are doomed, and what they had lies elsewhere
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
  clock.advance(grace);
  EXPECT_GE(collect(compacting).packs_deleted, first.packs_compacted);
  EXPECT_LT(stored_bytes(store), before - 2 * mib);
  auto fresh = Vault::open(store, test_secret()).value();
  EXPECT_TRUE(succeeds(thin.compare(*fresh, "q2")));
  const CheckReport report = vault->check(CheckLevel::data).value();
  EXPECT_TRUE(report.clean());
  EXPECT_GT(report.moved, 0U);
  // The next points share what was moved, and a writer finds it.
  thin.disk("d").put(0, thin.disk("d").content);
  EXPECT_EQ(thin.back_up(*fresh, "q3", "q2").value().stats.chunks_new, 0U);
  EXPECT_EQ(thin.back_up(*fresh, "q4").value().stats.chunks_new, 0U);
  for (int pass = 0; pass < 3; ++pass) {
    clock.advance(grace);
    collect(compacting);
  }
  EXPECT_TRUE(succeeds(thin.compare(*Vault::open(store, test_secret()).value(), "q4")));
}

// Frames of which a part was replaced: what nobody needs of them is not copied, what is needed is.
TEST_F(Garbage, OfFramesThatWereMostlyReplacedOnlyTheNeededChunksAreCopied) {
  TestMachine thin("vm-2");
  const WriterOptions large_frames{.threads = 2, .readers = 2, .pack_bytes = 2 * mib};
  thin.disk("d", 8 * mib).put(0, random.bytes(8 * mib));
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q1", "", large_frames)));
  for (std::uint64_t frame = 0; frame < 8 * mib; frame += frame_bytes) {  // all but the second chunk of each
    thin.disk("d").put(frame, random.bytes(chunk_bytes));
    thin.disk("d").put(frame + 2 * chunk_bytes, random.bytes(frame_bytes - 2 * chunk_bytes));
  }
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q2", "q1", large_frames)));
  ASSERT_TRUE(vault->remove_point(RecoveryPointId("q1")).ok());
  clock.advance(grace);
  const CollectReport first = collect(compacting);
  EXPECT_GE(first.packs_compacted, 4U);
  EXPECT_GE(first.bytes_copied, 8 * chunk_bytes);
  EXPECT_LT(first.bytes_copied, 8 * chunk_bytes + 128 * kib);
  EXPECT_EQ(collect(compacting).packs_compacted, 0U);
  clock.advance(grace);
  EXPECT_GE(collect(compacting).packs_deleted, first.packs_compacted);
  EXPECT_TRUE(succeeds(thin.compare(*Vault::open(store, test_secret()).value(), "q2")));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST_F(Garbage, PacksOfCompressedFramesAreThinWhenFewOfTheirChunksAreNeeded) {
  TestMachine thin("vm-2");
  const WriterOptions large_frames{.threads = 2, .readers = 2, .pack_bytes = 2 * mib};
  thin.disk("d", 8 * mib).put(0, sample_bytes(random, 8 * mib));
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q1", "", large_frames)));
  for (std::uint64_t frame = 0; frame < 8 * mib; frame += frame_bytes) {  // chunks 2, 8 and 14 of each stay
    for (const std::uint64_t chunk : {0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15}) {
      thin.disk("d").put(frame + chunk * chunk_bytes, sample_bytes(random, chunk_bytes));
    }
  }
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q2", "q1", large_frames)));
  ASSERT_TRUE(vault->remove_point(RecoveryPointId("q1")).ok());
  clock.advance(grace);
  const std::uint64_t before = stored_bytes(store);
  EXPECT_GE(collect(compacting).packs_compacted, 2U);
  clock.advance(grace);
  EXPECT_GE(collect(compacting).packs_deleted, 2U);
  EXPECT_LT(stored_bytes(store), before - 2 * mib);
  EXPECT_TRUE(succeeds(thin.compare(*Vault::open(store, test_secret()).value(), "q2")));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

// The chunks beside those that were copied lie in the old pack alone. Who refers to one of them in the moment
// of its doom keeps it.
// Two machines need a chunk each of one doomed pack, and only one of the chunks lies elsewhere, too.
TEST_F(Garbage, ADoomedPackStaysUntilAllThatIsNeededOfItHasACopy) {
  const auto data_packs = [&] {
    std::set<std::string> names;
    for (const ObjectInfo& object : store.list("data/").value()) names.insert(object.name);
    return names;
  };
  const std::set<std::string> before = data_packs();
  TestMachine pair("vm-2");
  pair.disk("d", 2 * chunk_bytes).put(0, sample_bytes(random, 2 * chunk_bytes));
  ASSERT_TRUE(succeeds(pair.back_up(*vault, "q1")));
  std::set<std::string> added = data_packs();
  for (const std::string& name : before) added.erase(name);
  ASSERT_EQ(added.size(), 1U);
  const std::string pack_object = *added.begin();
  ObjectKind kind{};
  PackName pack{};
  ASSERT_TRUE(parse_pack_object_name(pack_object, kind, pack));
  ASSERT_TRUE(put_mark(store, PackMark::doomed, pack).ok());
  TestMachine twin("vm-3");
  twin.disk("d", chunk_bytes).put(0, ByteView(pair.disk("d").content).first(chunk_bytes));
  auto other = Vault::open(store, test_secret()).value();
  ASSERT_EQ(twin.back_up(*other, "r1").value().stats.chunks_new, 1U) << "not referred to where it is doomed";
  clock.advance(grace);
  EXPECT_EQ(collect().packs_deleted, 0U);
  EXPECT_TRUE(store.size(pack_object).ok());
  EXPECT_TRUE(succeeds(pair.compare(*Vault::open(store, test_secret()).value(), "q1")));
  clock.advance(grace);
  EXPECT_GT(collect().packs_deleted, 0U);
  EXPECT_FALSE(store.size(pack_object).ok());
  auto fresh = Vault::open(store, test_secret()).value();
  EXPECT_TRUE(succeeds(pair.compare(*fresh, "q1")));
  EXPECT_TRUE(succeeds(twin.compare(*fresh, "r1")));
  EXPECT_TRUE(fresh->check(CheckLevel::data).value().clean());
}

TEST_F(Garbage, AChunkThatIsWantedAgainWhileItsFrameIsCopiedIsNotLost) {
  TestMachine thin("vm-2");
  thin.disk("d", 4 * mib).put(0, random.bytes(4 * mib));
  const Bytes old = thin.disk("d").content;
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q1", "", {.threads = 1, .readers = 1, .pack_bytes = 2 * mib})));
  thin.disk("d").put(2 * chunk_bytes, random.bytes(4 * mib - 2 * chunk_bytes));
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q2", "q1")));
  ASSERT_TRUE(vault->remove_point(RecoveryPointId("q1")).ok());
  clock.advance(grace);
  auto writer = vault
                    ->begin_point({RecoveryPointId("r"), MachineId("vm-3"), {}, {{DiskId("d"), 4 * mib}}},
                                  {.threads = 1, .readers = 1, .pack_bytes = 2 * mib})
                    .value();
  MemoryDisk source(old);
  ASSERT_TRUE(succeeds(writer->copy(DiskId("d"), source, {{0, source.size()}})));
  EXPECT_GE(collect(compacting).packs_compacted, 1U);  // sees nothing of the writer
  ASSERT_TRUE(succeeds(writer->commit(Time{}, "")));
  for (int pass = 0; pass < 3; ++pass) {
    clock.advance(grace);
    collect(compacting);
  }
  Bytes got(old.size());
  const auto again = Vault::open(store, test_secret()).value();
  ASSERT_TRUE(succeeds(again->open_disk(RecoveryPointId("r"), DiskId("d")).value()->read_at(0, got)));
  EXPECT_EQ(got, old);
  EXPECT_TRUE(succeeds(thin.compare(*again, "q2")));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST(LiveFrames, KnowWhichChunksOfAFrameAreNeeded) {
  LiveFrames live;
  const PackName pack{std::byte{1}};
  EXPECT_FALSE(live.needs(pack));
  EXPECT_TRUE(live.add({pack, 5000, 700'000, 3}));
  EXPECT_TRUE(live.add({pack, 100, 300, 0}));
  EXPECT_FALSE(live.add({pack, 100, 300, 0}));
  EXPECT_TRUE(live.needs(pack));
  // With what the directory says of each: 9 bytes a frame, 32 a chunk.
  EXPECT_EQ(live.live_bytes(pack), (chunk_bytes + 41) + (300 + 41));
  EXPECT_TRUE(live.add({pack, 5000, 700'000, 15}));
  EXPECT_EQ(live.live_bytes(pack), (700'000 * 2 / 16 + 73) + (300 + 41));
  const auto frames = live.frames(pack);
  ASSERT_EQ(frames.size(), 2U);
  ASSERT_NE(find_frame(frames, 5000), nullptr);
  EXPECT_TRUE(find_frame(frames, 5000)->needs(3) && find_frame(frames, 5000)->needs(15));
  EXPECT_FALSE(find_frame(frames, 5000)->needs(4));
  EXPECT_EQ(find_frame(frames, 101), nullptr);
  EXPECT_EQ(live.live_bytes(PackName{}), 0U);
}

TEST_F(Garbage, ThreadsThatFindAPackGoneAtTheSameTimeAllFindWhereItsContentWent) {
  TestMachine thin("vm-2");
  thin.disk("d", 8 * mib).put(0, sample_bytes(random, 8 * mib));
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q1")));
  for (std::uint64_t at = 0; at < 8 * mib; at += 32 * chunk_bytes) {
    thin.disk("d").put(at + 8 * chunk_bytes, sample_bytes(random, 24 * chunk_bytes));
  }
  ASSERT_TRUE(succeeds(thin.back_up(*vault, "q2", "q1")));
  ASSERT_TRUE(vault->remove_point(RecoveryPointId("q1")).ok());
  for (int pass = 0; pass < 2; ++pass) {
    clock.advance(grace);
    collect({.grace = grace, .thin_percent = 60});
  }
  // The first to ask the index anew is held up until the other has missed the pack, too.
  std::atomic<int> misses = 0;
  FaultyStore slow(store, [&](std::uint64_t, StoreCall call, std::string_view name) {
    if (call == StoreCall::read_at && name.starts_with("data/")) ++misses;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (call == StoreCall::list && name == "index/" && misses == 1) {
      if (std::chrono::steady_clock::now() > deadline) break;
      std::this_thread::yield();
    }
    return StoreFault::none;
  });
  for (int round = 0; round < 20; ++round) {
    misses = 0;
    const auto fresh = Vault::open(slow, test_secret()).value();
    const auto disk = fresh->open_disk(RecoveryPointId("q2"), DiskId("d")).value();
    const auto read = [&disk](std::uint64_t offset) {
      Bytes got(chunk_bytes);
      EXPECT_TRUE(succeeds(disk->read_at(offset, got)));
    };
    const std::jthread one([&] { read(0); });
    const std::jthread other([&] { read(4 * chunk_bytes); });  // of another frame of the same pack
  }
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
