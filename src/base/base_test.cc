#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/file_limit.h"
#include "base/id.h"
#include "base/parallel.h"
#include "base/process.h"
#include "base/random.h"
#include "base/retry.h"

namespace rekindle {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return error(ErrorCode::invalid_argument, "'{}' is not a digit", c);
  return c - '0';
}

Result<int> parse_digits(char a, char b) {
  const int high = TRY(parse_digit(a));
  const int low = TRY(parse_digit(b), "reading the second digit of {}{}", a, b);
  return high * 10 + low;
}

TEST(Result, TryYieldsTheValueOrReturnsTheErrorWithItsContext) {
  EXPECT_EQ(parse_digits('4', '2').value(), 42);
  const auto failed = parse_digits('4', 'x');
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(), "reading the second digit of 4x: 'x' is not a digit");
  EXPECT_EQ(failed.error().code(), ErrorCode::invalid_argument);
}

TEST(Result, AnEmptyOptionalIsAValue) {
  const auto nothing = []() -> Result<std::optional<int>> { return std::nullopt; }();
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->has_value());
}

TEST(Bytes, TextFormsComeBack) {
  SeededRandom random(3);
  for (std::size_t length = 0; length < 20; ++length) {
    const Bytes bytes = random.bytes(length);
    EXPECT_EQ(from_hex(to_hex(bytes)).value(), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes)).value(), bytes);
  }
  EXPECT_EQ(to_base64(as_bytes("fooba")), "Zm9vYmE=");  // RFC 4648
  EXPECT_FALSE(from_hex("0g").ok());
  EXPECT_FALSE(from_base64("a*==").ok());
}

TEST(Bytes, IntegersAreStoredInTheNamedOrder) {
  std::byte raw[4];
  store_be<std::uint32_t>(raw, 0x01020304);
  EXPECT_EQ(raw[0], std::byte{1});
  EXPECT_EQ(load_be<std::uint32_t>(raw), 0x01020304U);
  EXPECT_EQ(load_le<std::uint32_t>(raw), 0x04030201U);
}

TEST(Bytes, AllZeroLooksAtEveryByte) {
  Bytes bytes(1000);
  EXPECT_TRUE(all_zero(bytes));
  for (std::size_t i : {0U, 1U, 500U, 999U}) {
    bytes[i] = std::byte{1};
    EXPECT_FALSE(all_zero(bytes));
    bytes[i] = std::byte{0};
  }
}

TEST(Clock, TimesComeBackFromText) {
  const Time time = from_iso8601("2026-11-22T07:52:30.226755098Z").value();
  EXPECT_EQ(to_iso8601(time), "2026-11-22T07:52:30.226Z");
  EXPECT_EQ(from_iso8601("2026-11-22T07:52:30Z").value(), time - std::chrono::milliseconds(226));
  EXPECT_FALSE(from_iso8601("2026-02-30T07:52:30Z").ok());
  EXPECT_FALSE(from_iso8601("yesterday").ok());
}

TEST(Random, UuidsHaveTheirVersionAndDiffer) {
  SystemRandom random;
  const std::string uuid = random.uuid();
  EXPECT_EQ(uuid.size(), 36U);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(uuid, random.uuid());
}

TEST(BoundedQueue, MovesEverythingFromManyToMany) {
  BoundedQueue<int> queue(2);
  std::atomic<int> sum = 0;
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        while (auto item = queue.pop()) sum += *item;
      });
    }
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < 3; ++i) {
        writers.emplace_back([&] {
          for (int k = 1; k <= 100; ++k) queue.push(k);
        });
      }
    }
    queue.close();
  }
  EXPECT_EQ(sum, 3 * 5050);
  EXPECT_FALSE(queue.push(1));
}

TEST(ParallelFor, StartsNothingAfterAnError) {
  std::vector<std::size_t> started;
  const auto result = parallel_for(1000, 1, {}, [&](std::size_t index) -> Result<> {
    started.push_back(index);
    if (index == 2) return error(ErrorCode::corrupt, "two");
    return {};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message(), "two");
  EXPECT_EQ(started, (std::vector<std::size_t>{0, 1, 2}));
}

// When the others see an error is the scheduler's business: what holds on several threads is that the one
// that failed starts nothing more, and whose error it is.
TEST(ParallelFor, ReturnsTheErrorOfTheLowestIndexOfManyThreads) {
  std::mutex mutex;
  std::set<std::thread::id> failed;
  const auto result = parallel_for(1000, 4, {}, [&](std::size_t index) -> Result<> {
    const std::lock_guard lock(mutex);
    EXPECT_FALSE(failed.contains(std::this_thread::get_id()))
        << index << " was started by a thread that had failed";
    if (index < 10) return {};
    failed.insert(std::this_thread::get_id());
    return error(ErrorCode::corrupt, "{}", index);
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message(), "10");
}

TEST(File, IsReplacedAtomicallyAndReadBack) {
  auto directory = TemporaryDirectory::make().value();
  const auto path = directory.path() / "file";
  ASSERT_TRUE(write_file_atomically(path, "one").ok());
  ASSERT_TRUE(write_file_atomically(path, "two").ok());
  EXPECT_EQ(read_text_file(path).value(), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
  EXPECT_EQ(read_text_file(directory.path() / "absent").error().code(), ErrorCode::not_found);
}

TEST(FileLimit, IsRaisedAsFarAsTheSystemLets) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{std::min<rlim_t>(before.rlim_max, 256), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const rlim_t wanted = std::min<rlim_t>(before.rlim_max, 65536);
  EXPECT_EQ(raise_open_files(), wanted);
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, wanted);
  const auto told = run_process({"/bin/sh", "-c", "ulimit -Sn"});
  ASSERT_TRUE(told.ok()) << told.error().message();
  EXPECT_EQ(told->out, std::to_string(low.rlim_cur) + "\n")
      << "a program that is started has what it had before";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(FileLock, IsExclusive) {
  auto directory = TemporaryDirectory::make().value();
  {
    const auto held = FileLock::try_acquire(directory.path() / "lock").value();
    EXPECT_EQ(FileLock::try_acquire(directory.path() / "lock").error().code(), ErrorCode::unavailable);
  }
  EXPECT_TRUE(FileLock::try_acquire(directory.path() / "lock").ok());
}

TEST(Process, ReturnsOutputAndStatus) {
  const auto output = run_process({"sh", "-c", "echo out; echo err >&2; exit 3"}).value();
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_EQ(output.exit_status, 3);
  EXPECT_EQ(run_tool({"sh", "-c", "echo why >&2; exit 1"}).error().message(), "sh failed with status 1: why");
  EXPECT_EQ(run_process({"no-such-program-here"}).error().code(), ErrorCode::not_found);
}

TEST(Process, DaemonsLiveUntilKilled) {
  auto directory = TemporaryDirectory::make().value();
  const pid_t pid = start_daemon({"sleep", "1000"}, {directory.path() / "log"}).value();
  EXPECT_TRUE(process_lives(pid, "sleep"));
  EXPECT_FALSE(process_lives(pid, "qemu"));
  kill_process(pid);
  EXPECT_FALSE(process_lives(pid, "sleep"));
}

TEST(Process, DaemonsInheritNoFile) {
  auto directory = TemporaryDirectory::make().value();
  const FileDescriptor open_on_exec(::open("/dev/null", O_RDONLY));
  const std::string list = "ls /proc/self/fd | tr '\\n' ' ' >$0.new; mv $0.new $0";
  const auto path = directory.path() / "list";
  ASSERT_TRUE(start_daemon({"sh", "-c", list, path.string()}, {directory.path() / "log"}).ok());
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  // Standard ones, and the one by which ls reads the list.
  EXPECT_EQ(read_text_file(path).value(), "0 1 2 3 ");
}

TEST(Process, DaemonsInheritWhatTheyAreGiven) {
  auto directory = TemporaryDirectory::make().value();
  std::array<int, 2> ends = {-1, -1};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const FileDescriptor from(ends[0]);
  FileDescriptor to(ends[1]);
  const std::string number = std::to_string(to.get());
  ASSERT_TRUE(start_daemon({"sh", "-c", "printf given >/proc/self/fd/$0", number},
                           {directory.path() / "log", {to.get()}})
                  .ok());
  to.reset();
  std::array<char, 5> text{};
  ASSERT_EQ(::read(from.get(), text.data(), text.size()), 5);
  EXPECT_EQ(std::string(text.data(), text.size()), "given");
}

TEST(Retry, TriesTransientErrorsAgainAndOthersNot) {
  ManualClock clock(Time{});
  SeededRandom random(5);
  int calls = 0;
  const auto recovered = with_retries({}, clock, random, {}, [&]() -> Result<int> {
    if (++calls < 3) return error(ErrorCode::unavailable, "busy");
    return 7;
  });
  EXPECT_EQ(recovered.value(), 7);
  calls = 0;
  const auto refused = with_retries({}, clock, random, {}, [&]() -> Result<int> {
    ++calls;
    return error(ErrorCode::permission_denied, "no");
  });
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace rekindle
