// Copying what is still needed out of packs that are mostly garbage, and how it is found again.
#include <atomic>
#include <set>
#include <thread>

#include "store/faulty_store.h"
#include "vault/garbage_fixture.h"
#include "vault/live_frames.h"
#include "vault/pack_list.h"

namespace rekindle {
namespace {

TEST_F(Garbage, ThinPacksAreCopiedTogetherAndPointsReadOn) {
  // One chunk in every frame and pack stays.
  TestMachine thin("vm-2");
  ASSERT_NO_FATAL_FAILURE(make_thin(thin, 4));
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

// The chunks beside those that were copied lie in the old pack alone. Who refers to one of them in the moment
// of its doom keeps it.
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
  ASSERT_NO_FATAL_FAILURE(make_thin(thin, 8));
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

}  // namespace
}  // namespace rekindle
