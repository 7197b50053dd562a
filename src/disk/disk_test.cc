#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/page_buffer.h"
#include "base/parallel.h"
#include "base/process.h"
#include "base/random.h"
#include "disk/file_disk.h"
#include "disk/memory_disk.h"
#include "disk/overlay_disk.h"
#include "disk/scratch_disk.h"

namespace rekindle {
namespace {

TEST(Extent, NormalizeSortsMergesAndDropsEmptyOnes) {
  EXPECT_EQ(normalize({{10, 5}, {0, 0}, {0, 4}, {4, 2}, {12, 8}}), (Extents{{0, 6}, {10, 10}}));
}

TEST(Extent, AlignGrowsOutwardsAndStopsAtTheEndOfTheDisk) {
  EXPECT_EQ(align({{5, 1}, {17, 2}}, 8, 20), (Extents{{0, 8}, {16, 4}}));
  EXPECT_EQ(align({{30, 5}}, 8, 20), Extents{});
}

TEST(Extent, UnitesAndIntersects) {
  const Extents a = {{0, 10}, {20, 10}};
  const Extents b = {{5, 20}};
  EXPECT_EQ(unite(a, b), (Extents{{0, 30}}));
  EXPECT_EQ(intersect(a, b), (Extents{{5, 5}, {20, 5}}));
  EXPECT_EQ(total_length(a), 20U);
}

void holds_what_was_written(BlockTarget& disk) {
  SeededRandom random(1);
  const Bytes data = random.bytes(10000);
  ASSERT_TRUE(disk.write_at(65536 - 100, data).ok());
  Bytes read(data.size());
  ASSERT_TRUE(disk.read_at(65536 - 100, read).ok());
  EXPECT_EQ(read, data);
  ASSERT_TRUE(disk.write_zeros(65536, 4096).ok());
  ASSERT_TRUE(disk.read_at(65536, ByteSpan(read).first(4096)).ok());
  EXPECT_TRUE(all_zero(ByteView(read).first(4096)));
  ASSERT_TRUE(disk.flush().ok());
  const Extents extents = disk.data_extents({0, disk.size()}).value();
  EXPECT_EQ(intersect(extents, {{65536 - 100, 100}}), (Extents{{65536 - 100, 100}}))
      << "data is always reported";
}

TEST(MemoryDisk, HoldsWhatWasWritten) {
  MemoryDisk disk(1 * mib);
  holds_what_was_written(disk);
}

TEST(FileDisk, HoldsWhatWasWrittenAndKnowsItsHoles) {
  auto directory = TemporaryDirectory::make().value();
  auto disk = FileDisk::create(directory.path() / "disk", 1 * gib).value();
  holds_what_was_written(*disk);
  EXPECT_LT(total_length(disk->data_extents({0, disk->size()}).value()), 1 * mib);
  EXPECT_EQ(FileDisk::create(directory.path() / "disk", 1).error().code(), ErrorCode::already_exists);
}

TEST(FileDisk, WhatIsReservedReadsAsZerosAndTakesRoom) {
  const TemporaryDirectory folder = TemporaryDirectory::make().value();
  const auto disk = FileDisk::create(folder.path() / "disk", 8 * mib).value();
  ASSERT_TRUE(disk->reserve({{mib, 2 * mib}, {5 * mib, 64 * kib}}).ok());
  Bytes content(8 * mib);
  ASSERT_TRUE(disk->read_at(0, content).ok());
  EXPECT_EQ(content, Bytes(8 * mib));
  EXPECT_EQ(disk->size(), 8 * mib);
  struct stat status{};
  ASSERT_EQ(::stat((folder.path() / "disk").c_str(), &status), 0);
  if (status.st_blocks == 0) GTEST_SKIP() << "this file system cannot reserve room: nothing was tested";
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, 2 * mib + 64 * kib);
  EXPECT_LT(static_cast<std::uint64_t>(status.st_blocks) * 512, 4 * mib);
}

TEST(FileDisk, SaysThatThereIsNoRoomToReserve) {
  const TemporaryDirectory folder = TemporaryDirectory::make().value();
  const auto mounted =
      run_process({"mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.path().string()});
  if (!mounted.ok() || mounted->exit_status != 0) GTEST_SKIP() << "cannot mount a tmpfs here";
  {
    const auto disk = FileDisk::create(folder.path() / "disk", 8 * mib).value();
    EXPECT_TRUE(disk->reserve({{0, 512 * kib}}).ok());
    EXPECT_EQ(disk->reserve({{mib, 4 * mib}}).error().code(), ErrorCode::exhausted);
    EXPECT_EQ(disk->size(), 8 * mib);
  }
  ASSERT_EQ(run_process({"umount", folder.path().string()}).value().exit_status, 0);
}

// Whether this process has the file open for writes past the page cache.
bool is_open_directly(const std::filesystem::path& path) {
  const auto file = std::filesystem::canonical(path);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) != file) continue;
    const std::string name = entry.path().filename().string();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_DIRECT) != 0 && (flags & O_ACCMODE) == O_WRONLY) return true;
  }
  return false;
}

bool takes_direct_writes(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
  const PageBuffer page(page_bytes);
  return fd && ::pwrite(fd.get(), page.view().data(), page.size(), 0) == static_cast<ssize_t>(page.size());
}

// Of the file, in the page cache.
std::size_t resident_pages(const std::filesystem::path& path) {
  const auto file = File::open(path, File::Mode::read).value();
  const std::size_t size = file.size().value();
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd(), 0);
  std::vector<unsigned char> pages((size + page_bytes - 1) / page_bytes);
  CHECK(mapped != MAP_FAILED && ::mincore(mapped, size, pages.data()) == 0);
  ::munmap(mapped, size);
  return static_cast<std::size_t>(
      std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

TEST(FileDisk, WritesLargeAlignedPiecesPastThePageCacheSideBySide) {
  const TemporaryDirectory folder = TemporaryDirectory::make().value();
  if (!takes_direct_writes(folder.path() / "probe"))
    GTEST_SKIP() << "this file system takes no direct writes: nothing was tested";
  const auto path = folder.path() / "disk";
  const auto disk = FileDisk::create(path, 16 * mib).value();
  EXPECT_FALSE(is_open_directly(path));
  disk->write_directly();
  EXPECT_TRUE(is_open_directly(path));
  constexpr std::size_t pieces = 32;
  SeededRandom random(5);
  std::vector<PageBuffer> contents;
  for (std::size_t i = 0; i < pieces; ++i) {
    contents.emplace_back(512 * kib);
    copy_bytes(random.bytes(512 * kib), contents.back().span());
  }
  ASSERT_TRUE(parallel_for(pieces, 16, {}, [&](std::size_t i) {
                return disk->write_at(i * 512 * kib, contents[i].view());
              }).ok());
  EXPECT_EQ(resident_pages(path), 0U);
  ASSERT_TRUE(disk->flush().ok());
  Bytes got(512 * kib);
  for (std::size_t i = 0; i < pieces; ++i) {
    ASSERT_TRUE(disk->read_at(i * 512 * kib, got).ok());
    ASSERT_TRUE(std::ranges::equal(got, contents[i].view())) << i;
  }
}

TEST(FileDisk, WritesWhatIsNotAlignedAllTheSame) {
  const TemporaryDirectory folder = TemporaryDirectory::make().value();
  const auto disk = FileDisk::create(folder.path() / "disk", mib).value();
  disk->write_directly();
  holds_what_was_written(*disk);
}

TEST(OverlayDisk, HoldsWhatWasWrittenAndLeavesTheBaseAlone) {
  MemoryDisk base(1 * mib);
  OverlayDisk overlay(base, 65536);
  holds_what_was_written(overlay);
  EXPECT_TRUE(all_zero(base.content()));
}

TEST(OverlayDisk, ReportsOnlyBlocksThatDifferFromTheBase) {
  MemoryDisk base(Bytes(300000, std::byte{7}));
  OverlayDisk overlay(base, 65536);
  ASSERT_TRUE(overlay.write_at(0, Bytes(10, std::byte{7})).ok());      // same content
  ASSERT_TRUE(overlay.write_at(299999, Bytes(1, std::byte{8})).ok());  // in the short last block
  const auto changed = overlay.changed_blocks();
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed.begin()->first, 4U);
  EXPECT_EQ(changed.begin()->second.size(), 300000U - 4 * 65536);
  EXPECT_EQ(overlay.bytes_read(), 65536 + (300000U - 4 * 65536));
}

TEST(ScratchDisk, HoldsWhatWasWrittenAndLeavesTheBaseAlone) {
  MemoryDisk base(1 * mib);
  MemoryDisk scratch(1 * mib);
  ScratchDisk disk(base, scratch);
  holds_what_was_written(disk);
  EXPECT_TRUE(all_zero(base.content()));
}

TEST(ScratchDisk, IsTheBaseWithAllWritesInWhateverPieces) {
  SeededRandom random(3);
  MemoryDisk base(random.bytes(300001));
  MemoryDisk scratch(300001);
  ScratchDisk disk(base, scratch);
  Bytes expected = base.content();
  for (int i = 0; i < 500; ++i) {
    const std::uint64_t at = random.below(expected.size());
    const Bytes some = random.bytes(random.below(std::min<std::uint64_t>(expected.size() - at, 20000)) + 1);
    const bool zero = random.below(4) == 0;
    ASSERT_TRUE((zero ? disk.write_zeros(at, some.size()) : disk.write_at(at, some)).ok());
    const Bytes written = zero ? Bytes(some.size()) : some;
    std::copy(written.begin(), written.end(), expected.begin() + static_cast<std::ptrdiff_t>(at));
    Bytes got(expected.size());
    ASSERT_TRUE(disk.read_at(0, got).ok());
    ASSERT_EQ(got, expected) << i;
  }
}

TEST(ScratchDisk, KnowsTheHolesOfBoth) {
  MemoryDisk base(1 * mib);
  ASSERT_TRUE(base.write_at(64 * kib, Bytes(64 * kib, std::byte{1})).ok());
  MemoryDisk scratch(1 * mib);
  ScratchDisk disk(base, scratch);
  ASSERT_TRUE(disk.write_at(512 * kib, Bytes(8 * kib, std::byte{2})).ok());
  ASSERT_TRUE(disk.write_zeros(64 * kib, 32 * kib).ok());
  EXPECT_EQ(disk.data_extents({0, 1 * mib}).value(), (Extents{{96 * kib, 32 * kib}, {512 * kib, 8 * kib}}));
  EXPECT_EQ(disk.written(), (Extents{{64 * kib, 32 * kib}, {512 * kib, 8 * kib}}));
}

TEST(ScratchDisk, KeepsWritesToPartsOfOneBlockApart) {
  MemoryDisk base(Bytes(64 * kib, std::byte{1}));
  MemoryDisk scratch(64 * kib);
  ScratchDisk disk(base, scratch);
  std::vector<std::jthread> writers;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    writers.emplace_back([&disk, thread] {
      for (std::uint64_t at = thread * 512; at < 64 * kib; at += 4 * 512)
        CHECK(disk.write_at(at, Bytes(512, static_cast<std::byte>(10 + thread))).ok());
    });
  }
  writers.clear();
  Bytes got(64 * kib);
  ASSERT_TRUE(disk.read_at(0, got).ok());
  for (std::size_t at = 0; at < got.size(); ++at)
    ASSERT_EQ(got[at], static_cast<std::byte>(10 + at / 512 % 4));
}

TEST(Extents, SubtractLeavesWhatIsNotInTheOther) {
  const Extents all = {{0, 100}, {200, 50}};
  EXPECT_EQ(subtract(all, {}), all);
  EXPECT_EQ(subtract(all, all), Extents{});
  EXPECT_EQ(subtract(all, {{10, 10}, {90, 120}}), (Extents{{0, 10}, {20, 70}, {210, 40}}));
  EXPECT_EQ(subtract(all, {{0, 1}, {99, 1}, {249, 100}}), (Extents{{1, 98}, {200, 49}}));
}

}  // namespace
}  // namespace rekindle
