#include "vault/vault.h"

#include <algorithm>
#include <atomic>

#include "base/file.h"
#include "store/faulty_store.h"
#include "store/local_store.h"
#include "vault/frame.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class VaultTest : public testing::Test {
 protected:
  // As another process would: nothing cached.
  void reopen() { vault = Vault::open(store, test_secret()).value(); }

  SeededRandom random{7};
  MemoryStore store;
  std::unique_ptr<Vault> vault = Vault::create(store, test_secret()).value();
  TestMachine machine{"vm-1"};
};

TEST_F(VaultTest, GivesBackDisksOfAnySize) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{512}, chunk_bytes - 1,
                                   chunk_bytes, chunk_bytes + 1, 8 * mib, 8 * mib + 512, 21 * mib + 1000}) {
    machine.disk("disk-" + std::to_string(size), size).put(0, sample_bytes(random, size));
  }
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  reopen();
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p1")));
  EXPECT_TRUE(vault->check(CheckLevel::data).value().clean());
}

TEST_F(VaultTest, ReadsAtAnyOffset) {
  TestDisk& disk = machine.disk("d", 20 * mib + 100);
  disk.put(3 * mib + 5, sample_bytes(random, 9 * mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  auto source = vault->open_disk(RecoveryPointId("p1"), DiskId("d")).value();
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t offset = random.below(disk.content.size());
    Bytes got(std::min<std::uint64_t>(random.below(300 * kib), disk.content.size() - offset));
    ASSERT_TRUE(succeeds(source->read_at(offset, got)));
    ASSERT_TRUE(
        std::equal(got.begin(), got.end(), disk.content.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
  Bytes one(1);
  EXPECT_EQ(source->read_at(source->size(), one).error().code(), ErrorCode::invalid_argument);
}

TEST_F(VaultTest, ChainsOfIncrementalsGiveBackEveryPointOfAModel) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SeededRandom chance(seed);
    TestMachine chained("vm-" + std::to_string(seed));
    for (const char* id : {"a", "b"}) chained.disk(id, 10 * mib + chance.below(20 * mib) / 512 * 512);
    std::string parent;
    for (int step = 0; step < 6; ++step) {
      for (const char* id : {"a", "b"}) {
        TestDisk& disk = chained.disk(id);
        for (int i = 0; i < 10; ++i) {
          const std::uint64_t offset = chance.below(disk.content.size());
          const std::uint64_t length = std::min(1 + chance.below(400 * kib), disk.content.size() - offset);
          disk.put(offset, chance.below(3) == 0 ? Bytes(length) : sample_bytes(chance, length));
        }
      }
      const std::string point = fmt::format("p{}-{}", seed, step);
      ASSERT_TRUE(succeeds(chained.back_up(*vault, point, parent)));
      parent = point;
    }
    reopen();
    for (int step = 0; step < 6; ++step) {
      EXPECT_TRUE(succeeds(chained.compare(*vault, fmt::format("p{}-{}", seed, step)))) << "seed " << seed;
    }
  }
  const CheckReport report = vault->check(CheckLevel::data).value();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.points, 24U);
}

TEST_F(VaultTest, AnIncrementalPointHasTheSameRootAsAFullOne) {
  machine.disk("d", 30 * mib).put(0, sample_bytes(random, 25 * mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "full")));
  machine.disk("d").put(5 * mib + 7, random.bytes(100000));
  machine.disk("d").put(24 * mib, Bytes(mib));
  const auto incremental = machine.back_up(*vault, "incremental", "full").value();
  const auto full = machine.back_up(*vault, "full again").value();
  EXPECT_EQ(incremental.disks[0].content_id(), full.disks[0].content_id());
  EXPECT_EQ(full.stats.chunks_new, 0U);
}

TEST_F(VaultTest, ScatteredSmallChangesCostLittleMoreThanThemselves) {
  machine.disk("d", 64 * mib).put(0, sample_bytes(random, 64 * mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  const std::uint64_t before = stored_bytes(store);
  for (std::uint64_t i = 0; i < 50; ++i)
    machine.disk("d").put(i * 20 * chunk_bytes, random.bytes(chunk_bytes));
  const auto point = machine.back_up(*vault, "p2", "p1").value();
  const std::uint64_t grown = stored_bytes(store) - before;
  EXPECT_EQ(point.stats.bytes_read, 50 * chunk_bytes);
  EXPECT_EQ(point.stats.chunks_new, 50U);
  EXPECT_EQ(point.stats.bytes_new_stored, grown);
  EXPECT_LT(grown, 50 * chunk_bytes * 115 / 100);
}

TEST_F(VaultTest, AChangedAreaWithTheSameContentStoresNoData) {
  machine.disk("d", 20 * mib).put(0, sample_bytes(random, 20 * mib));
  const auto first = machine.back_up(*vault, "p1").value();
  machine.disk("d").changed = {{0, 20 * mib}};
  const auto second = machine.back_up(*vault, "p2", "p1").value();
  EXPECT_EQ(second.stats.chunks_unchanged, 320U);
  EXPECT_EQ(second.stats.chunks_new, 0U);
  EXPECT_LT(second.stats.bytes_new_stored, 4 * kib);
  EXPECT_EQ(second.disks[0].content_id(), first.disks[0].content_id());
}

TEST_F(VaultTest, DeduplicatesWithinADiskAndAcrossMachines) {
  const Bytes piece = sample_bytes(random, 2 * mib);
  for (std::uint64_t i = 0; i < 8; ++i) machine.disk("d", 32 * mib).put(i * 4 * mib, piece);
  const auto point = machine.back_up(*vault, "p1").value();
  EXPECT_EQ(point.stats.chunks_new, 32U);
  EXPECT_EQ(point.stats.chunks_deduplicated, 7U * 32U);
  reopen();
  TestMachine other("vm-2");
  other.disk("x", 40 * mib).put(0, machine.disk("d").content);
  const auto copy = other.back_up(*vault, "p2").value();
  EXPECT_EQ(copy.stats.chunks_new, 0U);
  EXPECT_LT(copy.stats.bytes_new_stored, 8 * kib);
  EXPECT_TRUE(succeeds(other.compare(*vault, "p2")));
}

TEST_F(VaultTest, KeepsHolesAndStoresNothingForThem) {
  TestDisk& disk = machine.disk("d", 64 * mib);
  disk.put(10 * mib, sample_bytes(random, chunk_bytes));
  disk.put(20 * mib, sample_bytes(random, 2 * chunk_bytes));
  const auto point = machine.back_up(*vault, "p1").value();
  EXPECT_EQ(point.stats.bytes_read, 3 * chunk_bytes);
  auto source = vault->open_disk(RecoveryPointId("p1"), DiskId("d")).value();
  const Extents data{{10 * mib, chunk_bytes}, {20 * mib, 2 * chunk_bytes}};
  EXPECT_EQ(source->data_extents({0, 64 * mib}).value(), data);
  EXPECT_EQ(source->data_extents({20 * mib + 10, 20}).value(), (Extents{{20 * mib + 10, 20}}));
  EXPECT_TRUE(source->data_extents({30 * mib, mib}).value().empty());

  disk.put(20 * mib, Bytes(2 * chunk_bytes));  // what becomes zeros becomes a hole
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p2", "p1")));
  auto later = vault->open_disk(RecoveryPointId("p2"), DiskId("d")).value();
  EXPECT_EQ(later->data_extents({0, 64 * mib}).value(), (Extents{{10 * mib, chunk_bytes}}));
}

TEST_F(VaultTest, WritesAreTakenInAnyOrderFromAnyThread) {
  const Bytes content = sample_bytes(random, 16 * mib);
  auto writer =
      vault->begin_point({RecoveryPointId("p"), MachineId("m"), {}, {{DiskId("d"), 20 * mib}}}).value();
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint64_t at = 16 - 1 - t; at < 16; at -= 4) {
          EXPECT_TRUE(
              succeeds(writer->write(DiskId("d"), at * mib, ByteView(content).subspan(at * mib, mib))));
        }
      });
    }
  }
  EXPECT_TRUE(succeeds(writer->zero(DiskId("d"), {16 * mib, 4 * mib})));
  ASSERT_TRUE(succeeds(writer->commit(Time{}, "{}")));
  auto source = vault->open_disk(RecoveryPointId("p"), DiskId("d")).value();
  Bytes got(16 * mib);
  ASSERT_TRUE(succeeds(source->read_at(0, got)));
  EXPECT_EQ(got, content);
}

TEST_F(VaultTest, RefusesWritesThatDoNotFit) {
  auto writer =
      vault->begin_point({RecoveryPointId("p"), MachineId("m"), {}, {{DiskId("d"), 10 * mib + 5}}}).value();
  const Bytes bytes(chunk_bytes);
  EXPECT_EQ(writer->write(DiskId("d"), 512, bytes).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(writer->write(DiskId("d"), 10 * mib, bytes).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(writer->write(DiskId("d"), 0, ByteView(bytes).first(100)).error().code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(writer->zero(DiskId("d"), {0, UINT64_MAX}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(writer->write(DiskId("x"), 0, bytes).error().code(), ErrorCode::not_found);
  MemoryDisk other_size(mib);
  EXPECT_EQ(writer->copy(DiskId("d"), other_size, {{0, 1}}).error().code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(succeeds(writer->write(DiskId("d"), 10 * mib, ByteView(bytes).first(5))));
}

TEST_F(VaultTest, RefusesToCommitWhatWasWrittenTwice) {
  for (const bool complete_pages : {true, false}) {
    const std::uint64_t length = complete_pages ? 8 * mib : chunk_bytes;
    auto writer =
        vault->begin_point({RecoveryPointId("p"), MachineId("m"), {}, {{DiskId("d"), 64 * mib}}}).value();
    ASSERT_TRUE(succeeds(writer->zero(DiskId("d"), {8 * mib, length})));
    EXPECT_EQ(writer->zero(DiskId("d"), {8 * mib, length}).error().code(), ErrorCode::invalid_argument);
    const auto committed = writer->commit(Time{}, "{}");
    ASSERT_FALSE(committed.ok());
    EXPECT_THAT(committed.error().message(), HasSubstr("twice"));
  }
  EXPECT_TRUE(vault->list().value().empty());
}

TEST_F(VaultTest, AFailingSourceLeavesNoPoint) {
  class FailingDisk final : public BlockSource {
   public:
    std::uint64_t size() const override { return 32 * mib; }
    Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
      std::fill(bytes.begin(), bytes.end(), std::byte{1});
      if (offset >= 20 * mib) return error(ErrorCode::unavailable, "connection reset");
      return {};
    }
  };
  FailingDisk source;
  auto writer =
      vault->begin_point({RecoveryPointId("p"), MachineId("m"), {}, {{DiskId("d"), 32 * mib}}}).value();
  const auto copied = writer->copy(DiskId("d"), source, {{0, 32 * mib}});
  ASSERT_FALSE(copied.ok());
  EXPECT_EQ(copied.error().message(), "copying disk d: connection reset");
  EXPECT_EQ(writer->commit(Time{}, "{}").error().code(), ErrorCode::unavailable);
  EXPECT_TRUE(vault->list().value().empty());
}

TEST_F(VaultTest, CopyStopsWhenAskedTo) {
  MemoryDisk source(sample_bytes(random, 32 * mib));
  const NewPoint point{RecoveryPointId("p"), MachineId("m"), {}, {{DiskId("d"), 32 * mib}}};
  auto writer = vault->begin_point(point, {.readers = 1}).value();
  std::stop_source stop;
  const auto copied = writer->copy(DiskId("d"), source, {{0, 32 * mib}}, stop.get_token(),
                                   [&](std::uint64_t) { stop.request_stop(); });
  EXPECT_EQ(copied.error().code(), ErrorCode::cancelled);
}

TEST_F(VaultTest, DiffNamesExactlyTheChunksThatDiffer) {
  machine.disk("d", 2 * gib + 512);
  machine.disk("d").put(100 * mib, sample_bytes(random, mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  machine.disk("d").put(100 * mib + 1, random.bytes(1));
  machine.disk("d").put(2 * gib, random.bytes(512));
  machine.disk("d").put(500 * mib, Bytes(mib));  // zeros as before
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p2", "p1")));
  const auto diff = [&](const char* a, const char* b) {
    return vault->diff(RecoveryPointId(a), RecoveryPointId(b), DiskId("d")).value();
  };
  EXPECT_EQ(diff("p1", "p2"), (Extents{{100 * mib, chunk_bytes}, {2 * gib, 512}}));
  EXPECT_EQ(diff("p2", "p1"), diff("p1", "p2"));
  EXPECT_TRUE(diff("p2", "p2").empty());
}

TEST_F(VaultTest, ADiskMayGrowAndAMachineMayGetAnother) {
  machine.disk("d", 9 * mib + 100).put(0, sample_bytes(random, 9 * mib + 100));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  machine.disk("d", 30 * mib).put(20 * mib, sample_bytes(random, 1000));
  machine.disk("new", mib).put(0, sample_bytes(random, mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p2", "p1")));
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p1")));
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p2")));
  const Extents grown = vault->diff(RecoveryPointId("p1"), RecoveryPointId("p2"), DiskId("d")).value();
  EXPECT_EQ(grown, (Extents{{20 * mib, chunk_bytes}}));
  EXPECT_EQ(vault->diff(RecoveryPointId("p1"), RecoveryPointId("p2"), DiskId("new")).value(),
            (Extents{{0, mib}}));
}

TEST_F(VaultTest, RefusesAParentThatDoesNotFit) {
  machine.disk("d", 10 * mib);
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  const auto begin = [&](const char* owner, std::uint64_t size, const char* parent) {
    return vault
        ->begin_point(
            {RecoveryPointId("p2"), MachineId(owner), RecoveryPointId(parent), {{DiskId("d"), size}}})
        .error();
  };
  EXPECT_EQ(begin("vm-1", 10 * mib, "absent").code(), ErrorCode::not_found);
  EXPECT_EQ(begin("vm-2", 10 * mib, "p1").code(), ErrorCode::failed_precondition);
  EXPECT_EQ(begin("vm-1", 9 * mib, "p1").code(), ErrorCode::failed_precondition);
  EXPECT_THAT(begin("vm-1", 9 * mib, "p1").message(), HasSubstr("full backup"));
}

TEST_F(VaultTest, TheSamePointTwiceIsOnePointAndAnotherUnderItsIdIsRefused) {
  machine.disk("d", mib).put(0, sample_bytes(random, mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  EXPECT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  TestMachine changed("vm-1");
  changed.disk("d", mib).put(0, sample_bytes(random, mib));
  const auto other = changed.back_up(*vault, "p1");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), ErrorCode::already_exists);
  EXPECT_EQ(vault->list().value().size(), 1U);
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p1")));
}

TEST_F(VaultTest, ListsPointsByTimeAndMachineWithTheirMetadata) {
  machine.disk("d", mib).put(0, sample_bytes(random, mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1")));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p2", "p1")));
  TestMachine other("vm-2");
  ASSERT_TRUE(succeeds(other.back_up(*vault, "q1")));
  reopen();
  EXPECT_EQ(vault->list().value().size(), 3U);
  const auto points = vault->list(MachineId("vm-1")).value();
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].id, RecoveryPointId("p1"));
  EXPECT_EQ(points[1].id, RecoveryPointId("p2"));
  EXPECT_EQ(points[1].parent, RecoveryPointId("p1"));
  EXPECT_EQ(points[1].metadata, R"({"point":"p2"})");
  EXPECT_EQ(points[1].time, Time(std::chrono::seconds(2)));
  EXPECT_EQ(vault->get(RecoveryPointId("q2")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(vault->open_disk(RecoveryPointId("p1"), DiskId("x")).error().message(),
            "recovery point p1 has no disk x: it has d");
}

TEST_F(VaultTest, NothingOfWhatIsStoredIsReadable) {
  const std::string words = "the quick brown fox jumps over the lazy dog ";
  Bytes text;
  while (text.size() < mib)
    std::copy(as_bytes(words).begin(), as_bytes(words).end(), std::back_inserter(text));
  TestMachine named("accounting-server");
  named.disk("disk-of-accounting", 2 * mib).put(0, ByteView(text).first(mib));
  ASSERT_TRUE(succeeds(named.back_up(*vault, "tuesday", "", {.threads = 1, .compression_level = 0})));
  for (const ObjectInfo& object : store.list("").value()) {
    const Bytes content = store.get(object.name).value();
    for (const char* secret : {"brown fox", "accounting", "tuesday"}) {
      EXPECT_EQ(as_text(content).find(secret), std::string_view::npos) << object.name;
      EXPECT_EQ(object.name.find(secret), std::string::npos);
    }
  }
}

TEST_F(VaultTest, ReadsAnyPartOfFramesOfWhichAPartWasReplaced) {
  const WriterOptions large_frames{.threads = 2, .readers = 2, .pack_bytes = 4 * mib};
  machine.disk("d", 6 * mib).put(0, sample_bytes(random, 6 * mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1", "", large_frames)));
  // Of the frames: all, most, a few and nothing of the old content is left.
  machine.disk("d").put(1 * mib + 5 * chunk_bytes, sample_bytes(random, 2 * chunk_bytes));
  machine.disk("d").put(2 * mib + 2 * chunk_bytes, sample_bytes(random, 14 * chunk_bytes));
  machine.disk("d").put(3 * mib, sample_bytes(random, mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p2", "p1", large_frames)));
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p1")));
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p2")));
  const Bytes& content = machine.saved("p2").at("d").content;
  const auto disk = vault->open_disk(RecoveryPointId("p2"), DiskId("d")).value();
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t offset = random.below(content.size());
    Bytes got(random.below(std::min<std::uint64_t>(2 * mib, content.size() - offset)) + 1);
    ASSERT_TRUE(succeeds(disk->read_at(offset, got)));
    ASSERT_TRUE(std::ranges::equal(got, ByteView(content).subspan(offset, got.size())));
  }
}

// As replication reads: by the blocks of the other side, which are smaller than frames.
TEST_F(VaultTest, PartsOfAFrameThatAreReadOneAfterTheOtherFetchItOnce) {
  machine.disk("d", 4 * mib).put(0, sample_bytes(random, 4 * mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p1", "", {.threads = 1, .readers = 1})));
  std::atomic<int> reads = 0;
  FaultyStore counting(store, [&](std::uint64_t, StoreCall call, std::string_view name) {
    if (call == StoreCall::read_at && name.starts_with("data/")) ++reads;
    return StoreFault::none;
  });
  const auto fresh = Vault::open(counting, test_secret()).value();
  const auto disk = fresh->open_disk(RecoveryPointId("p1"), DiskId("d")).value();
  for (std::uint64_t at = 0; at < 4 * mib; at += 512 * kib) {
    Bytes got(512 * kib);
    ASSERT_TRUE(succeeds(disk->read_at(at, got)));
  }
  EXPECT_LE(reads, 4 + 1);  // the frames, and the pack's header
}

TEST(Frame, SixteenChunksTogetherTakeLessThanFourByFour) {
  // Text that repeats over a distance of more than 256 KiB.
  SeededRandom random{3};
  Bytes content = sample_bytes(random, frame_bytes / 2);
  content.insert(content.end(), content.begin(), content.end());
  std::size_t apart = 0;
  for (std::size_t at = 0; at < frame_bytes; at += 4 * chunk_bytes) {
    apart += encode_frame(ByteView(content).subspan(at, 4 * chunk_bytes), 4, 1).size();
  }
  const Bytes together = encode_frame(content, frame_chunks, 1);
  EXPECT_LT(together.size(), apart * 6 / 10);
  EXPECT_EQ(decode_frame(together).value(), content);
}

TEST_F(VaultTest, IncompressibleDataIsStoredPlainAtNearlyItsSize) {
  machine.disk("d", 8 * mib).put(0, random.bytes(8 * mib));
  const auto point = machine.back_up(*vault, "p1").value();
  EXPECT_LT(point.stats.bytes_new_stored, 8 * mib + 32 * kib);
}

TEST(VaultOnADisk, LivesInADirectoryAndIsReadByAnotherWhileItIsWritten) {
  const auto directory = TemporaryDirectory::make().value();
  auto written = LocalStore::open(directory.path()).value();
  auto read = LocalStore::open(directory.path()).value();
  auto writer = Vault::create(*written, test_secret()).value();
  auto reader = Vault::open(*read, test_secret()).value();
  SeededRandom random(1);
  TestMachine machine("vm-1");
  machine.disk("d", 24 * mib).put(0, sample_bytes(random, 24 * mib));
  std::string parent;
  for (const std::string point : {"p1", "p2", "p3"}) {
    ASSERT_TRUE(succeeds(machine.back_up(*writer, point, parent)));
    EXPECT_TRUE(succeeds(machine.compare(*reader, point)));
    machine.disk("d").put(random.below(20 * mib), random.bytes(mib));
    parent = point;
  }
  EXPECT_TRUE(reader->check(CheckLevel::data).value().clean());
}

}  // namespace
}  // namespace rekindle
