#include "vault/restore.h"

#include <sys/stat.h>

#include "base/file.h"
#include "disk/file_disk.h"
#include "store/faulty_store.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

// One point of a disk with data, holes, content twice, and an end that is not that of a chunk.
class Restore : public testing::Test {
 protected:
  Restore() {
    TestDisk& disk = machine.disk("d", disk_bytes);
    disk.put(0, sample_bytes(random, 3 * mib));
    disk.put(5 * mib + 128 * kib, sample_bytes(random, 900 * kib));
    disk.put(9 * mib, ByteView(disk.content).subspan(mib, mib));
    disk.put(disk_bytes - 5000, sample_bytes(random, 5000));
    EXPECT_TRUE(succeeds(machine.back_up(*vault, "p")));
    source = vault->open_disk(RecoveryPointId("p"), DiskId("d")).value();
  }
  const Bytes& content() const { return machine.saved("p").at("d").content; }
  std::filesystem::path file(const char* name) const { return directory.path() / name; }

  static constexpr std::uint64_t disk_bytes = 13 * mib + 5000;
  SeededRandom random{1};
  MemoryStore store;
  std::unique_ptr<Vault> vault = Vault::create(store, test_secret()).value();
  TestMachine machine{"m"};
  std::unique_ptr<BlockSource> source;
  TemporaryDirectory directory = TemporaryDirectory::make().value();
};

TEST_F(Restore, MakesASparseFileWithEveryByteOfTheDisk) {
  std::atomic<std::uint64_t> told = 0;
  const auto done = restore_to_file(*source, file("d.raw"), {}, {},
                                    [&](std::uint64_t more, std::uint64_t) { told += more; });
  ASSERT_TRUE(succeeds(done));
  EXPECT_EQ(read_file(file("d.raw")).value(), content());
  EXPECT_EQ(told, *done);
  struct stat status{};
  ASSERT_EQ(::stat(file("d.raw").c_str(), &status), 0);
  EXPECT_LT(static_cast<std::uint64_t>(status.st_blocks) * 512, 7 * mib) << "holes take no room";
  EXPECT_FALSE(std::filesystem::exists(file("d.raw.partial")));
}

TEST_F(Restore, BringsBackOnlyTheRangeThatWasAskedFor) {
  for (const Extent range : {Extent{mib + 1, 2 * mib + 7}, Extent{4 * mib, 100}, Extent{disk_bytes - 1, 1}}) {
    FileRestore options;
    options.range = range;
    options.overwrite = true;
    ASSERT_TRUE(succeeds(restore_to_file(*source, file("part"), options)));
    EXPECT_EQ(read_file(file("part")).value(),
              to_bytes(ByteView(content()).subspan(range.offset, range.length)));
  }
  FileRestore outside;
  outside.range = Extent{disk_bytes, 1};
  EXPECT_THAT(restore_to_file(*source, file("none"), outside).error().message(), HasSubstr("not inside"));
}

TEST_F(Restore, OverwritesHolesOfATargetThatIsNotBlank) {
  MemoryDisk target(Bytes(disk_bytes, std::byte{0xff}));
  ASSERT_TRUE(succeeds(restore_disk(*source, target, {{0, disk_bytes}})));
  EXPECT_EQ(target.content(), content());
}

TEST_F(Restore, NeverReplacesAFileUnasked) {
  ASSERT_TRUE(write_file_atomically(file("d.raw"), "precious").ok());
  const auto refused = restore_to_file(*source, file("d.raw"), {});
  EXPECT_EQ(refused.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(refused.error().message(), HasSubstr("--overwrite"));
  EXPECT_EQ(read_text_file(file("d.raw")).value(), "precious");
}

TEST_F(Restore, LeavesNothingWhenTheVaultIsDamagedAndKeepsWhatWasThere) {
  ASSERT_TRUE(write_file_atomically(file("d.raw"), "precious").ok());
  const auto packs = store.list("data/").value();
  ASSERT_TRUE(store.remove(packs.front().name).ok());
  FileRestore options;
  options.overwrite = true;
  const auto failed = restore_to_file(*source, file("d.raw"), options);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message(), HasSubstr(packs.front().name));
  EXPECT_EQ(read_text_file(file("d.raw")).value(), "precious");
  EXPECT_FALSE(std::filesystem::exists(file("d.raw.partial")));
}

TEST_F(Restore, TakesOverWhatAKilledRestoreLeft) {
  ASSERT_TRUE(write_file_atomically(file("d.raw.partial"), ByteView(Bytes(20 * mib, std::byte{7}))).ok());
  ASSERT_TRUE(succeeds(restore_to_file(*source, file("d.raw"), {})));
  EXPECT_EQ(read_file(file("d.raw")).value(), content());
}

TEST_F(Restore, EndsSoonWhenStoppedAndLeavesNothing) {
  std::stop_source stop;
  FileRestore options;
  options.threads = 1;
  const auto stopped = restore_to_file(*source, file("d.raw"), options, stop.get_token(),
                                       [&](std::uint64_t, std::uint64_t) { stop.request_stop(); });
  EXPECT_EQ(stopped.error().code(), ErrorCode::cancelled);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST_F(Restore, SaysBeforeItBeginsThatThereIsNoRoom) {
  class Endless final : public BlockSource {
   public:
    std::uint64_t size() const override { return 1ULL << 60; }
    Result<> read_at(std::uint64_t, ByteSpan) override { return error(ErrorCode::internal, "was read"); }
  } endless;
  const auto refused = restore_to_file(endless, file("d.raw"), {});
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("restore to another one"));
}

// Reading in small steps with fetching ahead is reading.
TEST_F(Restore, ReadingAheadGivesTheSameBytesAndAsksTheStoreLess) {
  FaultyStore counting(store, [](auto...) { return StoreFault::none; });
  auto again = Vault::open(counting, test_secret()).value();
  for (const std::uint64_t ahead : {std::uint64_t{0}, 4 * mib}) {
    auto disk = again->open_disk(RecoveryPointId("p"), DiskId("d"), {.read_ahead_bytes = ahead}).value();
    Bytes got(disk_bytes);
    for (std::uint64_t at = 0; at < disk_bytes; at += 12 * kib) {
      ASSERT_TRUE(
          succeeds(disk->read_at(at, ByteSpan(got).subspan(at, std::min(12 * kib, disk_bytes - at)))));
    }
    EXPECT_EQ(got, content());
    disk->will_read({0, disk_bytes});
  }
  EXPECT_LT(counting.calls(), 120U);
}

TEST_F(Restore, ManyThreadsMayReadTheSameFramesAtOnce) {
  auto disk = vault->open_disk(RecoveryPointId("p"), DiskId("d"), {.read_ahead_bytes = 2 * mib}).value();
  std::vector<std::jthread> readers;
  std::atomic<int> wrong = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    readers.emplace_back([&, seed] {
      SeededRandom choice(seed);
      for (int i = 0; i < 200; ++i) {
        const std::uint64_t at = choice.below(disk_bytes);
        Bytes got(choice.below(std::min(disk_bytes - at, 700 * kib) + 1));
        const bool right = disk->read_at(at, got).ok() &&
                           std::ranges::equal(got, ByteView(content()).subspan(at, got.size()));
        wrong += right ? 0 : 1;
      }
    });
  }
  readers.clear();
  EXPECT_EQ(wrong, 0);
}

// A pack cut short: what lies before the cut is still there for who asks for just that.
TEST_F(Restore, ADamagedNeighbourThatWasFetchedAheadHarmsNobody) {
  const std::string last = store.list("data/").value().back().name;
  const Bytes pack = store.get(last).value();
  store.replace(last, Bytes(pack.begin(), pack.begin() + static_cast<std::ptrdiff_t>(pack.size() / 2)));
  auto disk = vault->open_disk(RecoveryPointId("p"), DiskId("d"), {.read_ahead_bytes = 4 * mib}).value();
  auto plain = vault->open_disk(RecoveryPointId("p"), DiskId("d")).value();
  for (std::uint64_t at = 0; at + 64 * kib <= disk_bytes; at += 64 * kib) {
    Bytes expected(64 * kib);
    Bytes got(64 * kib);
    const bool there = plain->read_at(at, expected).ok();
    EXPECT_EQ(disk->read_at(at, got).ok(), there) << at;
    EXPECT_EQ(got, expected);
  }
}

}  // namespace
}  // namespace rekindle
