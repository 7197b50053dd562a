#include "recover/script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace rekindle {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(Script, TellsItsStatusAndWhatItSaid) {
  const auto outcome =
      run_script("echo out; echo err >&2; echo \"$COLOUR\"; exit 3", {{"COLOUR", "blue"}}, seconds(60));
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->exit_status, 3);
  EXPECT_EQ(outcome->output, "out\nerr\nblue\n");
  EXPECT_EQ(outcome->last_line(), "blue");
}

TEST(Script, KeepsTheEndOfALongOutput) {
  const auto outcome = run_script("yes line | head -n 100000; echo the end", {}, seconds(60));
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_LE(outcome->output.size(), 64U * 1024);
  EXPECT_EQ(outcome->last_line(), "the end");
}

TEST(Script, OneThatDoesNotEndIsEndedWithItsChildren) {
  const auto outcome = run_script("echo working; sleep 1000 & sleep 1000", {}, seconds(1));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(outcome.error().message(), HasSubstr("it last said: working"));
}

TEST(Script, OneThatClosedItsOutputIsEndedAllTheSame) {
  const auto outcome = run_script("exec >/dev/null 2>&1; sleep 1000", {}, seconds(1));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::failed_precondition);
}

TEST(Script, WhatItLeavesInTheBackgroundIsNotWaitedFor) {
  const auto outcome = run_script("sleep 100 & echo done", {}, seconds(90));
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->exit_status, 0);
  EXPECT_EQ(outcome->output, "done\n");
}

TEST(Script, StopsWhenItIsCancelled) {
  std::stop_source source;
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    source.request_stop();
  });
  const auto outcome = run_script("sleep 1000", {}, seconds(900), source.get_token());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::cancelled);
}

TEST(Script, OneThatCannotStartSaysSo) {
  const auto outcome = run_script("/nowhere/at-all", {}, seconds(60));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->exit_status, 127);
  EXPECT_THAT(outcome->last_line(), HasSubstr("not found"));
}

}  // namespace
}  // namespace rekindle
