// Noise in an encrypted volume: as a layer that QEMU reads, and as a guest and the EBS direct APIs see it.
#include "sandbox/region/noise_layer.h"

#include <fcntl.h>

#include "sandbox/region/layer_store.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

constexpr std::uint64_t block_bytes = Qcow2Layer::cluster_bytes;

class NoiseLayerTest : public testing::Test {
 protected:
  std::string make(std::uint64_t size_bytes, const std::string& parent,
                   const std::vector<std::uint64_t>& blocks) {
    const std::string id = store->create(size_bytes, parent).value();
    const auto layer = store->writer(id).value();
    for (const std::uint64_t index : blocks) EXPECT_TRUE(layer->write(index, letters()).ok());
    EXPECT_TRUE(store->seal(id).ok());
    return id;
  }
  static Bytes letters() { return Bytes(block_bytes, std::byte{'a'}); }

  Bytes read(const std::string& id, std::uint64_t index) {
    Bytes block(block_bytes);
    EXPECT_TRUE(store->chain(id).value().read(index, block).ok());
    return block;
  }
  // The first blocks as QEMU shows them.
  Bytes shown_by_qemu(const std::string& id, std::size_t blocks) {
    const auto raw = folder.path() / "shown.raw";
    EXPECT_TRUE(
        run_tool({"qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=524288",
                  "count=" + std::to_string(blocks), "if=" + store->path(id).string(), "of=" + raw.string()})
            .ok());
    Bytes shown(blocks * block_bytes);
    EXPECT_TRUE(File::open(raw, File::Mode::read).value().read_at(0, shown).ok());
    return shown;
  }

  TemporaryDirectory folder = TemporaryDirectory::make("layers").value();
  std::unique_ptr<LayerStore> store = LayerStore::open(folder.path() / "layers").value();
};

// Not a run of anything.
bool is_noise(ByteView bytes) {
  std::set<std::byte> values(bytes.begin(), bytes.end());
  return values.size() > 200;
}

TEST_F(NoiseLayerTest, ShowsNoiseWhereTheLayersBelowHaveNothing) {
  const std::string snapshot = make(gib, "", {1});
  const std::string noise = store->create_noise(gib, snapshot, "vol-1").value();
  const std::string volume = make(gib, noise, {3});
  EXPECT_EQ(store->lineage(volume), (std::vector<std::string>{volume, noise, snapshot}));
  Bytes expected;
  for (std::uint64_t index = 0; index < 5; ++index) {
    const Bytes block = read(volume, index);
    EXPECT_EQ(is_noise(block), index != 1 && index != 3) << index;
    expected.insert(expected.end(), block.begin(), block.end());
  }
  EXPECT_EQ(shown_by_qemu(volume, 5), expected);
  EXPECT_EQ(read(volume, 1), letters());
  EXPECT_TRUE(is_noise(read(volume, 2047)));
}

TEST_F(NoiseLayerTest, IsNoBlockOfASnapshot) {
  const std::string noise = store->create_noise(gib, make(gib, "", {1}), "vol-1").value();
  const LayerChain chain = store->chain(make(gib, noise, {3})).value();
  EXPECT_EQ(chain.allocated(0, 10000, chain.depth()), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_TRUE(chain.present(1));
  EXPECT_FALSE(chain.present(2));
  EXPECT_TRUE(chain.covered(2));
}

TEST_F(NoiseLayerTest, IsTheSameForTheSameSeedOnly) {
  const auto first_block = [&](const std::string& seed) {
    return read(store->create_noise(gib, "", seed).value(), 0);
  };
  EXPECT_EQ(first_block("vol-1"), first_block("vol-1"));
  EXPECT_NE(first_block("vol-1"), first_block("vol-2"));
}

TEST_F(NoiseLayerTest, ComesOnceButForWhatALargerVolumeHasMore) {
  const std::string noise = store->create_noise(gib, "", "vol-1").value();
  EXPECT_EQ(store->create_noise(gib, noise, "vol-2").value(), noise);
  const std::string larger = store->create_noise(2 * gib, noise, "vol-2").value();
  EXPECT_NE(larger, noise);
  EXPECT_EQ(read(larger, 7), read(noise, 7));
  EXPECT_TRUE(is_noise(read(larger, 3000)));
}

TEST_F(NoiseLayerTest, ATebibyteOfItTakesAlmostNothing) {
  const std::string noise = store->create_noise(1024 * gib, make(1024 * gib, "", {0}), "vol-1").value();
  EXPECT_TRUE(is_noise(read(noise, 2097151)));
  EXPECT_FALSE(store->chain(noise).value().present(2097151));
  EXPECT_LT(store->disk_usage_bytes(), 8 * mib);
}

// Volumes as files of a proxy, which is how a test sees what a guest would.
class EncryptedVolumeTest : public RegionTest {
 protected:
  void SetUp() override {
    RegionTest::SetUp();
    if (IsSkipped()) return;
    const FileDescriptor fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!fuse) GTEST_SKIP() << "no /dev/fuse: what an encrypted volume shows was not tested";
    proxy = region->register_proxy("proxy-1").value();
  }

  json script(const std::string& text) {
    return boto("attached, proxy = '" + proxy.attached.string() + "', '" + proxy.instance_id + "'\n" + R"(
def attach(device, **arguments):
    volume = volume_state(ec2.create_volume(AvailabilityZone='us-east-1a', **arguments)['VolumeId'], 'available')
    ec2.attach_volume(VolumeId=volume, InstanceId=proxy, Device=device)
    return volume
def file(device): return os.path.join(attached, device)
def read(device, index):
    with open(file(device), 'rb') as disk: disk.seek(index * BLOCK); return disk.read(BLOCK)
def write(device, offset, data):
    with open(file(device), 'r+b') as disk: disk.seek(offset); disk.write(data)
def kind(data): return 'zeros' if data == bytes(BLOCK) else 'noise' if len(set(data)) > 200 else 'data'
def kinds(device): return [kind(read(device, index)) for index in (0, 1, 2047)]
def frozen(volume): return completed(ec2.create_snapshot(VolumeId=volume)['SnapshotId'])
)" + text);
  }

  Region::Proxy proxy;
};

TEST_F(EncryptedVolumeTest, ReadsNoiseWhereItsSnapshotHasNoBlock) {
  const auto seen = script(R"(
plain, encrypted = make_snapshot({1: block('a')}), make_snapshot({1: block('a')}, Encrypted=True)
attach('sdf', SnapshotId=plain)
attach('sdg', SnapshotId=plain, Encrypted=True)
attach('sdh', SnapshotId=encrypted)
attach('sdi', Size=1)
attach('sdj', Size=1, Encrypted=True)
done(kinds={name: kinds(name) for name in ('sdf', 'sdg', 'sdh', 'sdi', 'sdj')}, again=read('sdg', 0) == read('sdg', 0),
     alike=read('sdg', 0) == read('sdh', 0))
)");
  EXPECT_EQ(seen["kinds"],
            json::parse(R"({"sdf": ["zeros", "data", "zeros"], "sdg": ["noise", "data", "noise"],
      "sdh": ["noise", "data", "noise"], "sdi": ["zeros", "zeros", "zeros"],
      "sdj": ["noise", "noise", "noise"]})"));
  EXPECT_TRUE(seen["again"]);
  EXPECT_FALSE(seen["alike"]) << "each volume has noise of its own";
}

// What is written into a block of noise has noise around it, in later snapshots too; noise itself is no
// block.
TEST_F(EncryptedVolumeTest, LaterSnapshotsHaveTheNoiseAroundWhatWasWritten) {
  const auto seen = script(R"(
plain = make_snapshot({1: block('a')})
volume = attach('sdf', SnapshotId=plain, Encrypted=True)
before = read('sdf', 4)
write('sdf', 4 * BLOCK + 4096, b'hello')
snapshot = frozen(volume)
changed = [b['BlockIndex'] for b in ebs.list_changed_blocks(FirstSnapshotId=plain, SecondSnapshotId=snapshot)['ChangedBlocks']]
blocks = content(snapshot)
expected = before[:4096] + b'hello' + before[4101:]
untouched = read('sdf', 2)
attach('sdg', SnapshotId=snapshot)
done(indexes=list(blocks), changed=changed, around=blocks[4] == expected, again=read('sdg', 4) == expected, same=read('sdg', 2) == untouched,
     noise=[kind(before), kind(untouched)], encrypted=ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['Encrypted'])
)");
  EXPECT_EQ(seen["indexes"], (json::array({1, 4})));
  EXPECT_EQ(seen["changed"], json::array({4}));
  EXPECT_TRUE(seen["around"]);
  EXPECT_TRUE(seen["again"]);
  EXPECT_TRUE(seen["same"]) << "a volume of the encrypted snapshot shows the same noise";
  EXPECT_EQ(seen["noise"], (json::array({"noise", "noise"})));
  EXPECT_TRUE(seen["encrypted"]);
}

TEST_F(EncryptedVolumeTest, ZerosThatWerePutAreZeros) {
  const auto seen = script(R"(
snapshot = make_snapshot({0: bytes(BLOCK), 1: block('a'), 2047: bytes(BLOCK)}, Encrypted=True)
child = make_snapshot({1: bytes(BLOCK)}, ParentSnapshotId=snapshot)
attach('sdf', SnapshotId=snapshot), attach('sdg', SnapshotId=child)
done(snapshot=kinds('sdf'), child=kinds('sdg'), between=kind(read('sdg', 2)))
)");
  EXPECT_EQ(seen["snapshot"], (json::array({"zeros", "data", "zeros"})));
  EXPECT_EQ(seen["child"], (json::array({"zeros", "zeros", "zeros"})));
  EXPECT_EQ(seen["between"], "noise");
}

TEST_F(EncryptedVolumeTest, TheAccountsDefaultAndSlowBlocksMakeNoDifference) {
  options.knobs.encryption_by_default = true;
  options.knobs.initialization_mib_per_second = 1;
  start();
  const auto seen = script(R"(
snapshot = make_snapshot({1: block('a')})
volume = attach('sdf', SnapshotId=snapshot)
slow = kinds('sdf')
ec2.detach_volume(VolumeId=volume); volume_state(volume, 'available')
def it_is_filled(): return ec2.describe_volume_status(VolumeIds=[volume])['VolumeStatuses'][0]['VolumeStatus']['Details'][-1]['Status'] == 'completed'
until(it_is_filled)
ec2.attach_volume(VolumeId=volume, InstanceId=proxy, Device='sdf')
done(slow=slow, filled=kinds('sdf'))
)");
  EXPECT_EQ(seen["slow"], (json::array({"noise", "data", "noise"})));
  EXPECT_EQ(seen["filled"], seen["slow"]);
}

}  // namespace
}  // namespace rekindle::sandbox
