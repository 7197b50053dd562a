#include "prepare/machine_conversion.h"

#include <gtest/gtest.h>

#include <functional>

#include "disk/memory_disk.h"
#include "guest/guest_to_convert_fixture.h"

namespace rekindle {
namespace {

// A disk that fails one read, counted from 0, as a damaged vault does.
class FailingDisk final : public BlockSource {
 public:
  FailingDisk(const Bytes& content, std::size_t failing, ErrorCode code)
      : disk_(content), failing_(failing), code_(code) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    if (reads++ == failing_) return error(code_, "the vault is damaged here");
    return disk_.read_at(offset, bytes);
  }
  std::size_t reads = 0;

 private:
  MemoryDisk disk_;
  std::size_t failing_;
  ErrorCode code_;
};

class BorrowedDisk final : public BlockSource {
 public:
  explicit BorrowedDisk(BlockSource& disk) : disk_(disk) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return disk_.read_at(offset, bytes); }

 private:
  BlockSource& disk_;
};

std::unique_ptr<BlockSource> borrowed(BlockSource& disk) {
  return std::make_unique<BorrowedDisk>(disk);
}

// What is made of a machine of which one disk is this one.
using Attempt = std::function<Result<>(BlockSource& disk)>;

Result<> convert_with(MachineDisks disks) {
  TRY(convert_machine(disks, Firmware::bios));
  return {};
}

Result<> return_with(BlockSource& now, BlockSource& before) {
  MachineDisks left;
  left.push_back(borrowed(before));
  TRY(return_machine(now, left));
  return {};
}

Bytes converted_guest() {
  MachineDisks disks;
  disks.push_back(std::make_unique<MemoryDisk>(guest_to_convert()));
  const MachineConversion conversion = convert_machine(disks, Firmware::bios).value();
  PatchedDisk converted(*disks[0], conversion.blocks, image_block_bytes);
  Bytes content(converted.size());
  EXPECT_TRUE(converted.read_at(0, content).ok());
  return content;
}

// Fails one read of the disk after the other.
void expect_no_read_is_the_guests_fault(const Bytes& content, const Attempt& attempt) {
  FailingDisk whole(content, SIZE_MAX, ErrorCode::corrupt);
  const Result<> made = attempt(whole);
  ASSERT_TRUE(made.ok()) << made.error().message();
  ASSERT_GT(whole.reads, 0U);
  for (const ErrorCode code : {ErrorCode::corrupt, ErrorCode::failed_precondition}) {
    for (std::size_t i = 0; i < whole.reads; ++i) {
      FailingDisk disk(content, i, code);
      const Result<> tried = attempt(disk);
      ASSERT_FALSE(tried.ok()) << "read " << i;
      EXPECT_FALSE(cannot_be_converted(tried.error())) << "read " << i;
      EXPECT_EQ(tried.error().message(), "the vault is damaged here") << "read " << i;
    }
  }
}

TEST(MachineConversion, AReadThatFailsIsNeverTheGuestsFault) {
  expect_no_read_is_the_guests_fault(guest_to_convert(), [](BlockSource& disk) {
    MachineDisks disks;
    disks.push_back(borrowed(disk));
    return convert_with(std::move(disks));
  });
}

TEST(MachineConversion, NorIsOneOfADataDisk) {
  expect_no_read_is_the_guests_fault(guest_to_convert(), [](BlockSource& disk) {
    MachineDisks disks;
    disks.push_back(std::make_unique<MemoryDisk>(guest_to_convert()));
    disks.push_back(borrowed(disk));
    return convert_with(std::move(disks));
  });
}

TEST(MachineConversion, NorIsOneOfTheMachineThatReturns) {
  MemoryDisk before(guest_to_convert());
  expect_no_read_is_the_guests_fault(converted_guest(),
                                     [&](BlockSource& now) { return return_with(now, before); });
}

TEST(MachineConversion, NorIsOneOfTheMachineAsItLeft) {
  MemoryDisk now(converted_guest());
  expect_no_read_is_the_guests_fault(guest_to_convert(),
                                     [&](BlockSource& before) { return return_with(now, before); });
}

TEST(MachineConversion, NorIsOneOfAMachineThatIsMadeFitForHome) {
  expect_no_read_is_the_guests_fault(with_vmware_drivers(converted_guest()),
                                     [](BlockSource& now) -> Result<> {
                                       TRY(adapt_machine(now, {}));
                                       return {};
                                     });
}

// A loss of the connection is one, whoever reads.
TEST(MachineConversion, WhatMayWorkLaterIsTriedAgain) {
  MemoryDisk now(converted_guest());
  FailingDisk before(guest_to_convert(), 0, ErrorCode::unavailable);
  const Result<> tried = return_with(now, before);
  ASSERT_FALSE(tried.ok());
  EXPECT_TRUE(tried.error().transient());
}

TEST(MachineConversion, ADamagedGuestIsTheGuestsFault) {
  Bytes content = guest_to_convert();
  std::fill_n(content.begin() + 2048 * 512, 64 * kib, std::byte{0x5a});  // its file system
  MachineDisks disks;
  disks.push_back(std::make_unique<MemoryDisk>(std::move(content)));
  const auto made = convert_machine(disks, Firmware::bios);
  ASSERT_FALSE(made.ok());
  EXPECT_TRUE(cannot_be_converted(made.error())) << made.error().message();
}

}  // namespace
}  // namespace rekindle
