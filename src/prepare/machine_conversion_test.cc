#include "prepare/machine_conversion.h"

#include <gtest/gtest.h>

#include "disk/memory_disk.h"
#include "guest/guest_to_convert_fixture.h"

namespace rekindle {
namespace {

// A disk that fails one read, counted from 0, as a damaged vault does.
class FailingDisk final : public BlockSource {
 public:
  FailingDisk(Bytes content, std::size_t failing, ErrorCode code)
      : disk_(std::move(content)), failing_(failing), code_(code) {}
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

struct Tried {
  Result<MachineConversion> made;
  std::size_t reads = 0;
};

Tried convert_failing(std::size_t failing, ErrorCode code) {
  auto disk = std::make_unique<FailingDisk>(guest_to_convert(), failing, code);
  const FailingDisk& counts = *disk;
  MachineDisks disks;
  disks.push_back(std::move(disk));
  auto made = convert_machine(disks, Firmware::bios);
  return {std::move(made), counts.reads};
}

TEST(MachineConversion, AReadThatFailsIsNeverTheGuestsFault) {
  const Tried whole = convert_failing(SIZE_MAX, ErrorCode::corrupt);
  ASSERT_TRUE(whole.made.ok()) << whole.made.error().message();
  ASSERT_GT(whole.reads, 3U);
  for (const ErrorCode code : {ErrorCode::corrupt, ErrorCode::failed_precondition}) {
    for (std::size_t i = 0; i < whole.reads; ++i) {
      const Tried tried = convert_failing(i, code);
      ASSERT_FALSE(tried.made.ok()) << "read " << i;
      EXPECT_FALSE(cannot_be_converted(tried.made.error())) << "read " << i;
      EXPECT_EQ(tried.made.error().message(), "the vault is damaged here") << "read " << i;
    }
  }
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
