#include <fcntl.h>

#include "sandbox/region/block_holder.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

class ProxyTest : public RegionTest {
 protected:
  void SetUp() override {
    RegionTest::SetUp();
    if (IsSkipped()) return;
    const FileDescriptor fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!fuse) GTEST_SKIP() << "no /dev/fuse: attaching volumes to a proxy was not tested";
    proxy = region->register_proxy("proxy-1").value();
  }

  // A new volume, attached: its id.
  std::string attach(const std::string& device, const std::string& arguments = "Size=1") {
    return boto("v = volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', " + arguments +
                ")['VolumeId'], 'available')\n" + "ec2.attach_volume(VolumeId=v, InstanceId='" +
                proxy.instance_id + "', Device='" + device + "')\ndone(id=v)")["id"];
  }
  void write(const std::string& name, std::uint64_t offset, const std::string& text) {
    File file = File::open(proxy.attached / name, File::Mode::read_write).value();
    ASSERT_TRUE(file.write_at(offset, as_bytes(text)).ok());
  }
  std::string read(const std::string& name, std::uint64_t offset, std::size_t length) {
    Bytes bytes(length);
    const File file = File::open(proxy.attached / name, File::Mode::read).value();
    EXPECT_TRUE(file.read_at(offset, bytes).ok());
    return std::string(as_text(bytes));
  }

  Region::Proxy proxy;
};

TEST_F(ProxyTest, WhatIsWrittenToTheFileIsInTheSnapshot) {
  const std::string volume = attach("/dev/sdf");
  EXPECT_EQ(std::filesystem::file_size(proxy.attached / "sdf"), gib);
  write("sdf", 3 * 524288 + 10, "hello");
  const auto first = boto("s = completed(ec2.create_snapshot(VolumeId='" + volume + "')['SnapshotId'])\n" +
                          "c = content(s)\ndone(id=s, indexes=list(c), text=c[3][10:15].decode())");
  EXPECT_EQ(first["indexes"], json::array({3}));
  EXPECT_EQ(first["text"], "hello");
  // The file goes on over the frozen layer.
  write("sdf", 9 * 524288, "later");
  const auto second = boto("first, v = '" + first["id"].get<std::string>() + "', '" + volume + "'\n" + R"(
s = completed(ec2.create_snapshot(VolumeId=v)['SnapshotId'])
changed = [b['BlockIndex'] for b in ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=s)['ChangedBlocks']]
ec2.detach_volume(VolumeId=v); volume_state(v, 'available'); ec2.delete_volume(VolumeId=v)
done(changed=changed, still=list(content(s)), frozen=list(content(first)))
)");
  EXPECT_EQ(second["changed"], json::array({9}));
  EXPECT_EQ(second["still"], (json::array({3, 9})));
  EXPECT_EQ(second["frozen"], json::array({3}));
  EXPECT_FALSE(std::filesystem::exists(proxy.attached / "sdf"));
}

TEST_F(ProxyTest, AVolumeOfASnapshotShowsItsBlocks) {
  const std::string snapshot = boto("done(id=make_snapshot({5: block('abc')}))")["id"];
  attach("sdg", "SnapshotId='" + snapshot + "'");
  EXPECT_EQ(read("sdg", 5 * 524288, 3), "abc");
  EXPECT_EQ(read("sdg", 0, 3), std::string(3, '\0'));
}

TEST_F(ProxyTest, SurvivesARestartAndAKilledExport) {
  const std::string volume = attach("/dev/sdf");
  write("sdf", 4096, "before");
  region.reset();
  EXPECT_EQ(read("sdf", 4096, 6), "before") << "the file outlives the server";
  write("sdf", 8192, "without");
  start();
  EXPECT_EQ(read("sdf", 8192, 7), "without");
  {
    // A write is safe once it was synced.
    File file = File::open(proxy.attached / "sdf", File::Mode::read_write).value();
    ASSERT_TRUE(file.sync().ok());
  }
  region.reset();
  kill_process(find_holder(folder.path() / "exports" / (volume + ".sock")));
  start();
  EXPECT_EQ(read("sdf", 8192, 7), "without");
  EXPECT_EQ(region->register_proxy("proxy-1").value().instance_id, proxy.instance_id);
}

TEST_F(ProxyTest, RefusesAttachmentsThatCannotBe) {
  const std::string volume = attach("/dev/sdf");
  const auto seen = boto("v, proxy = '" + volume + "', '" + proxy.instance_id + "'\n" + R"(
other = volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId'], 'available')
def attach(volume, device='/dev/sdg', instance=proxy): return refused(ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device=device)
done(twice=attach(v), taken=attach(other, '/dev/sdf'), outside=attach(other, '../../x'), instance=attach(other, instance='i-00000000000000000'),
     delete=refused(ec2.delete_volume, VolumeId=v), idle=refused(ec2.detach_volume, VolumeId=other), stop=refused(ec2.stop_instances, InstanceIds=[proxy]))
)");
  EXPECT_EQ(seen["twice"], refusal("VolumeInUse", 400));
  EXPECT_EQ(seen["taken"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["outside"], refusal("InvalidParameterValue", 400));
  EXPECT_EQ(seen["instance"], refusal("InvalidInstanceID.NotFound", 400));
  EXPECT_EQ(seen["delete"], refusal("VolumeInUse", 400));
  EXPECT_EQ(seen["idle"], refusal("IncorrectState", 400));
  EXPECT_EQ(seen["stop"], refusal("UnsupportedOperation", 400));
}

}  // namespace
}  // namespace rekindle::sandbox
