#include "guest/module_index.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using Paths = std::vector<std::string>;

TEST(ModuleIndex, ClosesOverHardAndSoftDependencies) {
  const ModuleIndex index(
      "kernel/nvme/nvme.ko: kernel/nvme/nvme-core.ko kernel/nvme/nvme-common.ko\n"
      "kernel/nvme/nvme-core.ko: kernel/nvme/nvme-common.ko\n"
      "kernel/nvme/nvme-common.ko:\n"
      "kernel/lib/crc64-rocksoft.ko.xz:\n"
      "kernel/net/ena.ko:\n",
      "# soft\nsoftdep nvme_core pre: crc64_rocksoft post: absent\n", "");
  EXPECT_EQ(index.closure({"nvme"}), (Paths{"kernel/lib/crc64-rocksoft.ko.xz", "kernel/nvme/nvme-common.ko",
                                            "kernel/nvme/nvme-core.ko", "kernel/nvme/nvme.ko"}));
}

TEST(ModuleIndex, KnowsADashFromAnUnderscoreAsLittleAsModprobe) {
  const ModuleIndex index("kernel/xen-blkfront.ko.zst:\n", "", "kernel/drivers/virtio/virtio_pci.ko\n");
  EXPECT_EQ(index.closure({"xen_blkfront"}), Paths{"kernel/xen-blkfront.ko.zst"});
  EXPECT_TRUE(index.has("xen-blkfront"));
  EXPECT_TRUE(index.built_in("virtio-pci"));
  EXPECT_FALSE(index.has("virtio_pci"));
}

TEST(ModuleIndex, EndsAtACircleAndLeavesOutWhatIsNotThere) {
  const ModuleIndex index("a.ko: b.ko\nb.ko: a.ko gone.ko\n", "softdep a pre: a b\n", "");
  EXPECT_EQ(index.closure({"a", "nothing"}), (Paths{"a.ko", "b.ko"}));
}

TEST(ModuleIndex, TakesNoPathThatLeavesTheModuleTree) {
  const ModuleIndex index("../../../etc/nvme.ko:\n/etc/virtio_blk.ko:\nno colon here\n: x\n", "softdep\n",
                          "");
  EXPECT_TRUE(index.closure({"nvme", "virtio_blk"}).empty());
}

}  // namespace
}  // namespace rekindle
