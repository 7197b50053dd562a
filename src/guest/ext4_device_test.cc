#include "guest/ext4_device.h"

#include <gtest/gtest.h>

#include "disk/memory_disk.h"

namespace rekindle {
namespace {

TEST(Ext4Device, TellsWhatIsTheGuestsFromWhatIsOurs) {
  MemoryDisk volume(Bytes(1 * mib));
  Ext4Device device{volume, {}};
  EXPECT_EQ(filesystem_error(device, EXT2_ET_BLOCK_ALLOC_FAIL).code(), ErrorCode::exhausted);
  EXPECT_EQ(filesystem_error(device, EXT2_ET_BAD_MAGIC).code(), ErrorCode::corrupt);
  EXPECT_TRUE(filesystem_error(device, EXT2_ET_NO_MEMORY).transient());
  device.failure = Error(ErrorCode::permission_denied, "the volume says no");
  EXPECT_EQ(filesystem_error(device, EXT2_ET_SHORT_READ).code(), ErrorCode::permission_denied);
}

}  // namespace
}  // namespace rekindle
