#include "sandbox/region/qcow2_layer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/parallel.h"
#include "base/process.h"
#include "sandbox/region/layer_store.h"

namespace rekindle::sandbox {
namespace {

constexpr std::uint64_t block_bytes = Qcow2Layer::cluster_bytes;

Bytes block_of(char letter) {
  return Bytes(block_bytes, static_cast<std::byte>(letter));
}

class Qcow2LayerTest : public testing::Test {
 protected:
  std::string make(std::uint64_t size_bytes, const std::string& parent,
                   const std::map<std::uint64_t, char>& blocks) {
    const std::string id = store->create(size_bytes, parent).value();
    const auto layer = store->writer(id).value();
    for (const auto& [index, letter] : blocks) EXPECT_TRUE(layer->write(index, block_of(letter)).ok());
    EXPECT_TRUE(store->seal(id).ok());
    return id;
  }

  // QEMU's own opinion of the file.
  void expect_sound(const std::string& id) {
    const auto checked = run_process({"qemu-img", "check", store->path(id).string()}).value();
    EXPECT_EQ(checked.exit_status, 0) << checked.out << checked.err;
    EXPECT_NE(checked.out.find("No errors were found"), std::string::npos) << checked.out;
  }

  // Compares what QEMU reads through the chain with the same blocks in a plain file.
  void expect_shows(const std::string& id, std::uint64_t size_bytes,
                    const std::map<std::uint64_t, char>& blocks) {
    const auto raw = folder.path() / "expected.raw";
    File file = File::open(raw, File::Mode::create).value();
    EXPECT_TRUE(file.resize(0).ok());
    EXPECT_TRUE(file.resize(size_bytes).ok());
    for (const auto& [index, letter] : blocks)
      EXPECT_TRUE(file.write_at(index * block_bytes, block_of(letter)).ok());
    const auto compared = run_process({"qemu-img", "compare", "-f", "qcow2", "-F", "raw",
                                       store->path(id).string(), raw.string()})
                              .value();
    EXPECT_EQ(compared.exit_status, 0) << compared.out << compared.err;
  }

  char first_byte(const std::string& id, std::uint64_t index) {
    Bytes block(block_bytes);
    EXPECT_TRUE(store->chain(id).value().read(index, block).ok());
    return static_cast<char>(block[0]);
  }

  TemporaryDirectory folder = TemporaryDirectory::make("layers").value();
  std::unique_ptr<LayerStore> store = LayerStore::open(folder.path() / "layers").value();
};

TEST_F(Qcow2LayerTest, IsWhatQemuExpects) {
  const std::string base = make(2 * gib, "", {{0, 'a'}, {7, 'b'}, {4095, 'z'}});
  const std::string child = make(2 * gib, base, {{7, 'B'}, {9, 'c'}});
  expect_sound(base);
  expect_sound(child);
  expect_shows(base, 2 * gib, {{0, 'a'}, {7, 'b'}, {4095, 'z'}});
  expect_shows(child, 2 * gib, {{0, 'a'}, {7, 'B'}, {9, 'c'}, {4095, 'z'}});
}

TEST_F(Qcow2LayerTest, AnEmptyTebibyteTakesAlmostNothing) {
  const std::string id = make(1024 * gib, "", {});
  expect_sound(id);
  EXPECT_LT(store->disk_usage_bytes(), 64 * kib);
  const std::string far = make(1024 * gib, id, {{2097151, 'z'}});
  expect_sound(far);
  EXPECT_LT(store->disk_usage_bytes(), 2 * mib) << "a block, and the table that points to it";
  EXPECT_EQ(first_byte(far, 2097151), 'z');
}

TEST_F(Qcow2LayerTest, TheSecondWriteOfABlockReplacesTheFirst) {
  const std::string id = store->create(gib, "").value();
  const auto layer = store->writer(id).value();
  ASSERT_TRUE(layer->write(3, block_of('a')).ok());
  ASSERT_TRUE(layer->write(3, block_of('b')).ok());
  EXPECT_EQ(layer->allocated(0, 2048), std::vector<std::uint64_t>{3});
  ASSERT_TRUE(store->seal(id).ok());
  expect_sound(id);
  EXPECT_EQ(first_byte(id, 3), 'b');
}

TEST_F(Qcow2LayerTest, TakesBlocksFromManyThreads) {
  const std::string id = store->create(64 * gib, "").value();
  const auto layer = store->writer(id).value();
  // In two tables, each block twice.
  const auto index_of = [](std::uint64_t i) { return i * 1000; };
  EXPECT_TRUE(parallel_for(200, 16, {}, [&](std::size_t i) {
                return layer->write(index_of(i % 100), block_of(static_cast<char>('A' + i % 50)));
              }).ok());
  ASSERT_TRUE(store->seal(id).ok());
  expect_sound(id);
  std::map<std::uint64_t, char> blocks;
  for (std::uint64_t i = 0; i < 100; ++i) blocks[index_of(i)] = static_cast<char>('A' + i % 50);
  expect_shows(id, 64 * gib, blocks);
}

TEST_F(Qcow2LayerTest, AnOpenLayerIsContinuedAfterACrash) {
  const std::string id = store->create(gib, "").value();
  ASSERT_TRUE(store->writer(id).value()->write(1, block_of('a')).ok());
  // What a crash between the data and the entry leaves: content that nothing points to, and room after it.
  File file = File::open(store->path(id), File::Mode::read_write).value();
  const Bytes lost(3 * block_bytes / 2, std::byte{'x'});
  ASSERT_TRUE(file.write_at(file.size().value() - mib, lost).ok());
  const auto before = store->disk_usage_bytes();
  store = LayerStore::open(folder.path() / "layers").value();
  const auto layer = store->writer(id).value();
  EXPECT_LE(store->disk_usage_bytes() + mib, before) << "the room is given back";
  ASSERT_TRUE(layer->write(2, block_of('b')).ok());
  ASSERT_TRUE(store->seal(id).ok());
  expect_sound(id);
  expect_shows(id, gib, {{1, 'a'}, {2, 'b'}});
}

TEST_F(Qcow2LayerTest, ReadsWhatQemuWrote) {
  const std::string base = make(gib, "", {{1, 'a'}, {2, 'b'}});
  const std::string top = store->create(gib, base).value();
  const std::string file = store->path(top).string();
  ASSERT_TRUE(
      run_tool({"qemu-io", "-f", "qcow2", "-c", "write -P 120 524288 4096", "-c", "write -z 1M 512k", file})
          .ok());
  const LayerChain chain = store->chain(top).value();
  EXPECT_EQ(first_byte(top, 1), 'x');
  EXPECT_TRUE(chain.present(1));
  EXPECT_FALSE(chain.present(2)) << "zeroed over data";
  EXPECT_EQ(first_byte(top, 2), '\0');
  EXPECT_EQ(chain.allocated(0, 100, 1), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(Qcow2LayerTest, AChildMayBeLargerThanItsParent) {
  const std::string base = make(gib, "", {{2047, 'e'}});
  const std::string child = make(2 * gib, base, {});
  expect_sound(child);
  expect_shows(child, 2 * gib, {{2047, 'e'}});
  EXPECT_FALSE(store->chain(child).value().present(4000));
}

TEST_F(Qcow2LayerTest, RefusesAFileThatIsNoLayer) {
  const auto path = folder.path() / "layers" / "layer-1.qcow2";
  ASSERT_TRUE(write_file_atomically(path, std::string(8192, 'x')).ok());
  const auto opened = Qcow2Layer::open(path, File::Mode::read);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::corrupt);
}

TEST_F(Qcow2LayerTest, LayersLiveAsLongAsSomethingAboveThemIsNeeded) {
  const std::string base = make(gib, "", {{0, 'a'}});
  const std::string middle = make(gib, base, {{1, 'b'}});
  const std::string other = make(gib, base, {{2, 'c'}});
  ASSERT_TRUE(store->collect_garbage({middle}).ok());
  EXPECT_FALSE(std::filesystem::exists(store->path(other)));
  EXPECT_EQ(first_byte(middle, 0), 'a');
  ASSERT_TRUE(store->collect_garbage({}).ok());
  EXPECT_FALSE(std::filesystem::exists(store->path(base)));
}

}  // namespace
}  // namespace rekindle::sandbox
