#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool eventually(const std::function<bool()>& true_by_then) {
  for (int i = 0; i < 500; ++i) {
    if (true_by_then()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

// The number that a script has written into a file.
pid_t pid_in(const std::filesystem::path& file) {
  EXPECT_TRUE(eventually([&] { return read_text_file(file).ok() && read_text_file(file)->ends_with('\n'); }));
  return std::atoi(read_text_file(file)->c_str());
}

TEST(ChildProcess, TellsHowItEndedAndWhatItSaidLast) {
  const auto child = ChildProcess::start({"sh", "-c", "echo first; echo 'the reason' >&2; exit 3"}).value();
  EXPECT_EQ(child->exit_status(seconds(10)), 3);
  EXPECT_EQ(child->last_words(), "the reason");
  EXPECT_EQ(child->end(), 3);
  EXPECT_EQ(ChildProcess::start({"no-such-program-here"}).error().code(), ErrorCode::not_found);
}

TEST(ChildProcess, KeepsOnlyTheEndOfWhatItSays) {
  const auto child = ChildProcess::start({"sh", "-c", "seq 1 100000; echo end"}).value();
  EXPECT_EQ(child->exit_status(seconds(10)), 0);
  EXPECT_EQ(child->last_words(), "end");
}

TEST(ChildProcess, EndsWithItsOwner) {
  pid_t pid = 0;
  {
    const auto child = ChildProcess::start({"sleep", "1000"}).value();
    pid = child->pid();
    EXPECT_TRUE(process_lives(pid, "sleep"));
    EXPECT_FALSE(child->exit_status().has_value());
  }
  EXPECT_FALSE(process_lives(pid, "sleep"));
}

TEST(ChildProcess, KillsWhatDoesNotListenAndWhatItStarted) {
  const auto folder = TemporaryDirectory::make("child").value();
  const auto file = folder.path() / "pid";
  const auto child =
      ChildProcess::start({"sh", "-c", "trap '' TERM; sleep 1000 & echo $! > \"$0\"; wait", file});
  const pid_t grandchild = pid_in(file);
  EXPECT_EQ((*child)->end(milliseconds(100)), 128 + SIGKILL);
  EXPECT_TRUE(eventually([&] { return !process_lives(grandchild, "sleep"); }));
}

TEST(ChildProcess, WhatItLeftBehindIsKilledWithIt) {
  const auto folder = TemporaryDirectory::make("child").value();
  const auto file = folder.path() / "pid";
  const auto child = ChildProcess::start({"sh", "-c", "sleep 1000 & echo $! > \"$0\"", file}).value();
  EXPECT_EQ(child->exit_status(seconds(10)), 0) << "also when others still hold its output open";
  EXPECT_TRUE(eventually([pid = pid_in(file)] { return !process_lives(pid, "sleep"); }));
}

TEST(ChildProcess, ListensToSignalsThatOurThreadsHaveBlocked) {
  sigset_t before;
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, &before);
  const auto child = ChildProcess::start({"sleep", "1000"}).value();
  EXPECT_EQ(child->end(seconds(10)), 128 + SIGTERM);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(ChildProcess, DiesWhenWeAreKilled) {
  const auto folder = TemporaryDirectory::make("child").value();
  const auto file = folder.path() / "pid";
  const pid_t owner = ::fork();
  if (owner == 0) {
    std::thread([&] {  // the thread that starts it ends: that alone must not end the child
      static auto child = ChildProcess::start({"sh", "-c", "echo $$ > \"$0\"; exec sleep 1000", file});
    })
        .join();
    for (;;) ::pause();
  }
  const pid_t pid = pid_in(file);
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_TRUE(process_lives(pid, "sleep"));
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !process_lives(pid, "sleep"); }));
}

}  // namespace
}  // namespace rekindle
