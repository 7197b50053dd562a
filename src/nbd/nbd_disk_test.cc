// The client against our own server, and against servers that nobody here wrote.
#include "nbd/nbd_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "base/parallel.h"
#include "base/process.h"
#include "base/random.h"
#include "disk/memory_disk.h"
#include "nbd/server.h"

namespace rekindle::nbd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class NbdDiskTest : public testing::Test {
 protected:
  static constexpr std::uint64_t size = 16 * mib;

  std::filesystem::path socket() const { return directory.path() / "socket"; }
  // Runs a server, and connects to it as soon as it listens.
  void start(std::vector<std::string> argv) {
    auto started = ChildProcess::start(std::move(argv));
    ASSERT_TRUE(started.ok()) << started.error().message();
    program = *std::move(started);
    for (int i = 0; i < 500 && disk == nullptr && !program->exit_status(milliseconds(10)); ++i) connect();
    ASSERT_NE(disk, nullptr) << program->last_words();
  }
  void connect(const NbdDiskOptions& options = {}) {
    auto connected = NbdDisk::connect(socket(), options);
    if (connected.ok()) disk = *std::move(connected);
  }
  Bytes read(std::uint64_t offset, std::uint64_t length) {
    Bytes bytes(length);
    const Result<> done = disk->read_at(offset, bytes);
    EXPECT_TRUE(done.ok()) << done.error().message();
    return bytes;
  }
  void write(std::uint64_t offset, ByteView bytes) {
    const Result<> done = disk->write_at(offset, bytes);
    EXPECT_TRUE(done.ok()) << done.error().message();
  }
  // What every server must do.
  void expect_a_disk() {
    SeededRandom random(1);
    const Bytes first = random.bytes(5 * mib + 512);
    ASSERT_EQ(disk->size(), size);
    EXPECT_TRUE(all_zero(read(0, mib)));
    write(3 * mib, first);
    EXPECT_EQ(read(3 * mib, first.size()), first);
    const Bytes odd = random.bytes(1001);
    write(1001, odd);
    write(size - 7, ByteView(odd).first(7));
    EXPECT_EQ(read(1001, odd.size()), odd);
    EXPECT_TRUE(all_zero(read(0, 1001)));
    EXPECT_TRUE(all_zero(read(2002, 1000)));
    EXPECT_EQ(read(size - 7, 7), to_bytes(ByteView(odd).first(7)));
    EXPECT_TRUE(disk->write_zeros(4 * mib, mib).ok());
    EXPECT_TRUE(disk->write_zeros(6 * mib + 3, 100).ok());
    EXPECT_TRUE(all_zero(read(4 * mib, mib)));
    EXPECT_EQ(read(5 * mib, mib), to_bytes(ByteView(first).subspan(2 * mib, mib)));
    EXPECT_TRUE(disk->flush().ok());
    const auto data = disk->data_extents({0, size});
    ASSERT_TRUE(data.ok()) << data.error().message();
    EXPECT_EQ(intersect(*data, {{3 * mib, mib}}), (Extents{{3 * mib, mib}}));
  }
  void expect_many_threads_do_not_mix() {
    const Result<> written = parallel_for(256, 8, {}, [&](std::size_t i) {
      return disk->write_at(i * 64 * kib, Bytes(64 * kib, static_cast<std::byte>(i)));
    });
    ASSERT_TRUE(written.ok()) << written.error().message();
    for (std::size_t i = 0; i < 256; ++i)
      ASSERT_EQ(read(i * 64 * kib, 64 * kib), Bytes(64 * kib, static_cast<std::byte>(i))) << i;
  }

  TemporaryDirectory directory = TemporaryDirectory::make("nbd").value();
  std::unique_ptr<ChildProcess> program;
  std::unique_ptr<NbdDisk> disk;  // goes first
};

bool has_program(const std::string& name) {
  const auto answer = run_process({name, "--version"});
  return answer.ok() && answer->exit_status == 0;
}
#define REQUIRE_PROGRAM(name, package) \
  if (!has_program(name)) GTEST_SKIP() << (name) << " is missing: apt-get install " << (package)

class OwnServer : public NbdDiskTest {
 protected:
  void serve(BlockSource& source, BlockTarget* target) {
    Address address;
    address.socket = socket();
    server = Server::start(address, {{"disk", "", &source, target}}).value();
  }
  MemoryDisk memory{size};
  std::unique_ptr<Server> server;
};

TEST_F(OwnServer, IsADisk) {
  serve(memory, &memory);
  connect();
  ASSERT_NE(disk, nullptr);
  expect_a_disk();
  expect_many_threads_do_not_mix();
  EXPECT_EQ(read(0, size), memory.content());
}

TEST_F(OwnServer, TellsItsHoles) {
  serve(memory, &memory);
  connect();
  write(2 * mib, Bytes(mib, std::byte{1}));
  EXPECT_EQ(disk->data_extents({mib, 3 * mib}).value(), (Extents{{2 * mib, mib}}));
  EXPECT_EQ(disk->data_extents({4 * mib, mib}).value(), Extents{});
}

TEST_F(OwnServer, RefusesADiskThatCannotBeWritten) {
  serve(memory, nullptr);
  const auto refused = NbdDisk::connect(socket());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("read-only"));
}

TEST_F(OwnServer, SaysThatNobodyListens) {
  const auto refused = NbdDisk::connect(socket());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
}

TEST_F(OwnServer, EveryRequestAfterTheServerEndedFailsAtOnce) {
  serve(memory, &memory);
  connect();
  server.reset();
  for (int i = 0; i < 3; ++i) {
    const Result<> lost = disk->write_at(0, Bytes(512));
    ASSERT_FALSE(lost.ok());
    EXPECT_EQ(lost.error().code(), ErrorCode::unavailable) << lost.error().message();
    EXPECT_THAT(lost.error().message(), HasSubstr("writing 512 bytes at 0"));
  }
}

// Answers a read or a write when it is told to.
class SlowDisk final : public BlockTarget {
 public:
  std::uint64_t size() const override { return 16 * mib; }
  Result<> read_at(std::uint64_t, ByteSpan) override { return wait(); }
  Result<> write_at(std::uint64_t, ByteView) override { return wait(); }
  Result<> flush() override { return {}; }
  void go_on() { gate.count_down(); }

 private:
  Result<> wait() {
    gate.wait();
    return {};
  }
  std::latch gate{1};
};

TEST_F(OwnServer, GivesUpAServerThatDoesNotAnswer) {
  SlowDisk slow;
  serve(slow, &slow);
  connect({.patience = milliseconds(200)});
  ASSERT_NE(disk, nullptr);
  std::jthread other([&] { EXPECT_FALSE(disk->write_at(0, Bytes(4 * mib)).ok()); });
  Bytes bytes(512);
  const Result<> late = disk->read_at(0, bytes);
  other.join();
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::unavailable) << late.error().message();
  slow.go_on();
  disk.reset();
  server.reset();
}

TEST_F(OwnServer, StopsWhenItIsTold) {
  SlowDisk slow;
  serve(slow, &slow);
  std::stop_source stop;
  connect({.stop = stop.get_token()});
  ASSERT_NE(disk, nullptr);
  std::jthread later([&] {
    std::this_thread::sleep_for(milliseconds(50));
    stop.request_stop();
  });
  const Result<> stopped = disk->write_at(0, Bytes(512));
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code(), ErrorCode::cancelled);
  slow.go_on();
  disk.reset();
  server.reset();
}

TEST_F(NbdDiskTest, NbdkitIsADisk) {
  REQUIRE_PROGRAM("nbdkit", "nbdkit");
  start({"nbdkit", "--foreground", "--unix", socket(), "memory", "16M"});
  expect_a_disk();
  expect_many_threads_do_not_mix();
}

TEST_F(NbdDiskTest, NbdkitThatServesOnlyWholeSectorsIsADisk) {
  REQUIRE_PROGRAM("nbdkit", "nbdkit");
  start({"nbdkit", "--foreground", "--unix", socket(), "--filter=blocksize-policy", "memory", "16M",
         "blocksize-minimum=512", "blocksize-preferred=4096", "blocksize-maximum=1M",
         "blocksize-error-policy=error"});
  expect_a_disk();
}

TEST_F(NbdDiskTest, NbdkitWithoutZerosFlushAndHolesIsADisk) {
  REQUIRE_PROGRAM("nbdkit", "nbdkit");
  start({"nbdkit", "--foreground", "--unix", socket(), "--filter=nozero", "--filter=noextents", "memory",
         "16M"});
  expect_a_disk();
  EXPECT_EQ(disk->data_extents({0, size}).value(), (Extents{{0, size}}));
}

TEST_F(NbdDiskTest, NbdkitsRefusalIsOfOneRequest) {
  REQUIRE_PROGRAM("nbdkit", "nbdkit");
  start({"nbdkit", "--foreground", "--unix", socket(), "--filter=error", "memory", "16M",
         "error-pwrite=ENOSPC", "error-pwrite-rate=100%"});
  const Result<> full = disk->write_at(mib, Bytes(512));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ErrorCode::exhausted) << full.error().message();
  EXPECT_TRUE(all_zero(read(mib, 512)));
}

TEST_F(NbdDiskTest, RequestsOfManyThreadsAreInFlightAtOnce) {
  REQUIRE_PROGRAM("nbdkit", "nbdkit");
  start({"nbdkit", "--foreground", "--unix", socket(), "--filter=delay", "memory", "16M", "wdelay=100ms"});
  const auto begin = std::chrono::steady_clock::now();
  write(0, Bytes(8 * mib, std::byte{1}));  // one thread, four parts
  EXPECT_TRUE(parallel_for(8, 8, {}, [&](std::size_t i) {
                return disk->write_at(i * mib, Bytes(4096, std::byte{2}));
              }).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(800)) << "one by one it would be 1200";
}

TEST_F(NbdDiskTest, NbdkitThatIsKilledInTheMiddleIsUnavailable) {
  REQUIRE_PROGRAM("nbdkit", "nbdkit");
  start({"nbdkit", "--foreground", "--unix", socket(), "--filter=delay", "memory", "16M", "wdelay=10"});
  std::jthread killer([&] {
    std::this_thread::sleep_for(milliseconds(100));
    program->end(milliseconds(0));
  });
  const Result<> lost = disk->write_at(0, Bytes(8 * mib));
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::unavailable) << lost.error().message();
}

TEST_F(NbdDiskTest, QemuNbdIsADisk) {
  REQUIRE_PROGRAM("qemu-nbd", "qemu-utils");
  const auto file = directory.path() / "disk";
  ASSERT_TRUE(File::open(file, File::Mode::create)->resize(size).ok());
  start({"qemu-nbd", "--format=raw", "--persistent", "--socket", socket(), file});
  expect_a_disk();
  expect_many_threads_do_not_mix();
  disk.reset();
  const File written = File::open(file, File::Mode::read).value();
  Bytes bytes(64 * kib);
  ASSERT_TRUE(written.read_at(200 * 64 * kib, bytes).ok());
  EXPECT_EQ(bytes, Bytes(64 * kib, std::byte{200}));
}

}  // namespace
}  // namespace rekindle::nbd
