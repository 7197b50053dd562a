#include "guest/fat_volume.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "guest/guest_fixture.h"

namespace rekindle {
namespace {

namespace fx = guest_fixture;

Bytes fat_image(int bits, std::uint64_t mib_size) {
  const auto image = fx::store(Bytes(mib_size * mib));
  fx::tool({"mkfs.vfat", "-F", std::to_string(bits), "-n", "ESP", image.string()});
  fx::tool({"mmd", "-i", image.string(), "::/EFI", "::/EFI/debian", "::/EFI/BOOT"});
  fx::tool(
      {"mcopy", "-i", image.string(), fx::store(as_bytes("loader")).string(), "::/EFI/BOOT/BOOTX64.EFI"});
  for (int i = 0; i < 40; ++i) {
    fx::tool({"mcopy", "-i", image.string(), fx::store(as_bytes("x")).string(),
              "::/EFI/debian/a long name " + std::to_string(i)});
  }
  return read_file(image).value();
}

TEST(FatVolume, FindsFilesInAllThreeKinds) {
  for (const auto& [bits, size] : {std::pair{12, 4}, std::pair{16, 32}, std::pair{32, 64}}) {
    SCOPED_TRACE(bits);
    MemoryDisk disk(fat_image(bits, static_cast<std::uint64_t>(size)));
    const FatVolume fat = FatVolume::open(disk).value();
    EXPECT_TRUE(fat.has_file("EFI/BOOT/BOOTX64.EFI").value());
    EXPECT_TRUE(fat.has_file("efi/boot/bootx64.efi").value());
    EXPECT_FALSE(fat.has_file("EFI/BOOT").value());
    EXPECT_FALSE(fat.has_file("EFI/BOOT/SHIMX64.EFI").value());
    EXPECT_FALSE(fat.has_file("BOOT/BOOTX64.EFI").value());
    EXPECT_EQ(fat.list("EFI/DEBIAN")->size(), 40U);
  }
}

TEST(FatVolume, RefusesWhatIsNone) {
  MemoryDisk disk(1 * mib);
  EXPECT_EQ(FatVolume::open(disk).error().code(), ErrorCode::corrupt);
}

TEST(FatVolume, SurvivesAnyDamage) {
  const Bytes sound = fat_image(12, 4);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    Bytes content = sound;
    if (seed % 2 == 0) fx::damage(content, {11, 40}, random);
    fx::damage(content, {512, 64 * kib}, random);
    MemoryDisk disk(std::move(content));
    const auto fat = FatVolume::open(disk);
    const auto found = fat.ok() ? fat->has_file("EFI/BOOT/BOOTX64.EFI") : Result<bool>(fat.error());
    EXPECT_TRUE(found.ok() || found.error().code() == ErrorCode::corrupt) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rekindle
