#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/file.h"
#include "base/page_buffer.h"
#include "base/process.h"
#include "store/conformance_test.h"
#include "store/faulty_store.h"
#include "store/local_store.h"
#include "store/memory_store.h"
#include "store/retrying_store.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

struct MemoryStoreFixture {
  ObjectStore& store() { return memory; }
  MemoryStore memory;
};

struct LocalStoreFixture {
  ObjectStore& store() { return *local; }
  TemporaryDirectory directory = TemporaryDirectory::make().value();
  std::unique_ptr<LocalStore> local = LocalStore::open(directory.path() / "vault").value();
};

// Every second call fails, half of the failures after the work was done.
struct UnreliableStoreFixture {
  ObjectStore& store() { return retrying; }
  static StoreFault plan(std::uint64_t number, StoreCall /*call*/, std::string_view /*name*/) {
    constexpr StoreFault faults[] = {StoreFault::lost_response, StoreFault::none, StoreFault::lost_request,
                                     StoreFault::none};
    return faults[number % 4];
  }
  MemoryStore memory;
  FaultyStore faulty{memory, plan};
  ManualClock clock{Time{}};
  SeededRandom random{1};
  RetryingStore retrying{faulty, RetryPolicy{.attempts = 20}, clock, random};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, ObjectStoreConformance, MemoryStoreFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Local, ObjectStoreConformance, LocalStoreFixture);

// Of the file, in the page cache.
std::size_t resident_pages(const std::filesystem::path& path) {
  const auto file = File::open(path, File::Mode::read).value();
  const std::size_t size = file.size().value();
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd(), 0);
  std::vector<unsigned char> pages((size + 4095) / 4096);
  CHECK(mapped != MAP_FAILED && ::mincore(mapped, size, pages.data()) == 0);
  ::munmap(mapped, size);
  return static_cast<std::size_t>(
      std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

bool can_read_directly(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  PageBuffer page(page_bytes);
  return fd && ::pread(fd.get(), page.span().data(), page.size(), 0) == static_cast<ssize_t>(page.size());
}

// Large reads go past the page cache where they can; what they give must not depend on that.
TEST(LocalStore, ReadsAnyPartOfALargeObject) {
  LocalStoreFixture fixture;
  SeededRandom random{7};
  const Bytes content = random.bytes(3 * mib + 1234);
  ASSERT_TRUE(fixture.store().put("data/large", content).ok());
  const auto path = fixture.directory.path() / "vault/data/large";
  ::posix_fadvise(File::open(path, File::Mode::read).value().fd(), 0, 0, POSIX_FADV_DONTNEED);
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t offset = i == 0 ? 0 : random.below(content.size());
    Bytes got(i == 0 ? content.size() : random.below(content.size() - offset) + 1);
    if (got.size() < 256 * kib) continue;  // those go through it
    ASSERT_TRUE(fixture.store().read_at("data/large", offset, got).ok());
    ASSERT_TRUE(std::ranges::equal(got, ByteView(content).subspan(offset, got.size()))) << offset;
  }
  if (can_read_directly(path)) {
    EXPECT_EQ(resident_pages(path), 0U);
  }
  Bytes beyond(mib);
  const auto too_long = fixture.store().read_at("data/large", content.size() - mib + 1, beyond);
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().code(), ErrorCode::corrupt);
}

// Not the race for a name: with lost answers, the one that loses may be the one that has it.
TEST(RetryingStore, DoesEverythingThroughAStoreThatFailsEverySecondTime) {
  UnreliableStoreFixture fixture;
  ObjectStore& store = fixture.store();
  for (int i = 0; i < 20; ++i) {
    const std::string name = fmt::format("data/{:02}", i);
    ASSERT_TRUE(store.put(name, as_bytes(name)).ok());
    EXPECT_EQ(as_text(store.get(name).value()), name);
    EXPECT_EQ(store.size(name).value(), name.size());
    EXPECT_EQ(store.list("data/").value().size(), static_cast<std::size_t>(i) + 1);
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(store.remove(fmt::format("data/{:02}", i)).ok());
  EXPECT_TRUE(fixture.memory.list("").value().empty());
}

TEST(RetryingStore, DoesNotTakeAnotherWritersObjectForItsOwnLostPut) {
  MemoryStore memory;
  ASSERT_TRUE(memory.put("points/a", as_bytes("theirs")).ok());
  FaultyStore faulty(memory, [](std::uint64_t number, StoreCall, std::string_view) {
    return number == 0 ? StoreFault::lost_request : StoreFault::none;
  });
  ManualClock clock{Time{}};
  SeededRandom random(1);
  RetryingStore store(faulty, RetryPolicy{}, clock, random);
  EXPECT_EQ(store.put("points/a", as_bytes("ours")).error().code(), ErrorCode::already_exists);
  EXPECT_TRUE(store.put("points/b", as_bytes("ours")).ok());
}

TEST(RetryingStore, GivesUpAfterTheAttemptsOfItsPolicy) {
  MemoryStore memory;
  FaultyStore faulty(memory,
                     [](std::uint64_t, StoreCall, std::string_view) { return StoreFault::lost_request; });
  ManualClock clock{Time{}};
  SeededRandom random(1);
  RetryingStore store(faulty, RetryPolicy{.attempts = 3}, clock, random);
  EXPECT_EQ(store.get("a").error().code(), ErrorCode::unavailable);
  EXPECT_EQ(faulty.calls(), 3U);
}

TEST(FaultyStore, DoesNothingMoreOnceDead) {
  MemoryStore memory;
  FaultyStore store(memory, [](std::uint64_t number, StoreCall, std::string_view) {
    return number == 1 ? StoreFault::dead : StoreFault::none;
  });
  ASSERT_TRUE(store.put("a", {}).ok());
  EXPECT_FALSE(store.put("b", {}).ok());
  EXPECT_FALSE(store.put("c", {}).ok());
  EXPECT_EQ(memory.list("").value().size(), 1U);
}

TEST(MemoryStore, RefusesMoreThanItsCapacityAndTakesMoreOnceThereIsRoom) {
  MemoryStore store(10);
  ASSERT_TRUE(store.put("a", as_bytes("12345678")).ok());
  EXPECT_EQ(store.put("b", as_bytes("123")).error().code(), ErrorCode::exhausted);
  ASSERT_TRUE(store.remove("a").ok());
  EXPECT_TRUE(store.put("b", as_bytes("123")).ok());
}

TEST(LocalStore, RemovesWhatADeadWriterLeftButNotWhatALivingOneHolds) {
  const auto directory = TemporaryDirectory::make().value();
  {
    auto made = LocalStore::open(directory.path()).value();
  }
  const auto dead = directory.path() / ".incoming" / "dead";
  const auto alive = directory.path() / ".incoming" / "alive";
  ASSERT_TRUE(write_file_atomically(dead, std::string_view("half")).ok());
  const auto lock = FileLock::acquire(alive).value();
  auto store = LocalStore::open(directory.path()).value();
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(alive));
  EXPECT_TRUE(store->list("").value().empty());
}

TEST(LocalStore, PutsBesideProcessesThatOpenTheSameDirectory) {
  const auto directory = TemporaryDirectory::make().value();
  auto store = LocalStore::open(directory.path()).value();
  const auto open_again_and_again = [&](const std::stop_token& stop) {
    while (!stop.stop_requested()) EXPECT_TRUE(LocalStore::open(directory.path()).ok());
  };
  const std::jthread one(open_again_and_again);
  const std::jthread other(open_again_and_again);
  for (int i = 0; i < 300; ++i) {
    const Result<> put = store->put(fmt::format("a/{}", i), as_bytes("content"));
    ASSERT_TRUE(put.ok()) << put.error().message();
  }
}

TEST(LocalStore, SaysWhatToDoWhenTheDiskIsFull) {
  // On a real, small file system, where one can be mounted.
  const auto directory = TemporaryDirectory::make().value();
  const auto mounted =
      run_process({"mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory.path().string()});
  if (!mounted.ok() || mounted->exit_status != 0) GTEST_SKIP() << "cannot mount a tmpfs here";
  {
    auto store = LocalStore::open(directory.path()).value();
    const Bytes content(600 * kib, std::byte{1});
    ASSERT_TRUE(store->put("data/a", content).ok());
    const auto full = store->put("data/b", content);
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().code(), ErrorCode::exhausted);
    EXPECT_THAT(full.error().message(), HasSubstr("free space"));
    EXPECT_EQ(store->list("").value().size(), 1U);
    ASSERT_TRUE(store->remove("data/a").ok());
    EXPECT_TRUE(store->put("data/b", content).ok());
  }
  ASSERT_EQ(run_process({"umount", directory.path().string()}).value().exit_status, 0);
}

}  // namespace
}  // namespace rekindle
