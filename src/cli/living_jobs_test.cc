#include "cli/living_jobs.h"

#include <gtest/gtest.h>

#include <functional>
#include <sstream>

#include "base/file.h"
#include "base/process.h"
#include "model/json.h"

namespace rekindle {
namespace {

// Something happens at the third look.
class EventfulClock final : public Clock {
 public:
  Time now() override { return wall_clock_.now(); }
  std::chrono::nanoseconds ticks() override { return wall_clock_.ticks(); }
  bool sleep(std::chrono::milliseconds, std::stop_token stop) override {
    if (++sleeps == 3 && event) event();
    return sleeps < 100 &&
           !stop.stop_requested();  // a wait without an end is an error, not a test that hangs
  }

  int sleeps = 0;
  std::function<void()> event;

 private:
  SystemClock wall_clock_;
};

// As process_owner() of that process says.
std::string owner_of(pid_t pid) {
  const std::string self = process_owner();
  const std::string here = self.substr(0, self.find('/', self.find('/') + 1));  // machine and boot
  std::istringstream stat(read_text_file(fmt::format("/proc/{}/stat", pid)).value());
  std::string field;
  for (int i = 0; i < 22; ++i) stat >> field;  // the last one read: its start time
  return fmt::format("{}/{}/{}", here, pid, field);
}

class LivingJobs : public testing::Test {
 protected:
  Job job_owned_by(const std::string& owner) {
    const Job job = catalog->create_job(JobKind::replicate, "web", {}, "choose").value();
    return catalog->claim_job(job.id, owner).value();
  }
  Result<> wait_for(const Job& job, std::stop_token stop = {}) {
    return wait_for_living(output, *catalog, clock, job, stop);
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  EventfulClock clock;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  Output output{true};
};

TEST_F(LivingJobs, OneWhoseProcessDiesIsWaitedForNoLonger) {
  const auto process = ChildProcess::start({"sleep", "1000"}).value();
  const Job job = job_owned_by(owner_of(process->pid()));
  ASSERT_TRUE(owner_lives(job.owner));
  clock.event = [&] { process->end(); };
  const Result<> waited = wait_for(job);
  EXPECT_TRUE(waited.ok()) << waited.error().message();
  EXPECT_EQ(clock.sleeps, 3);
  EXPECT_EQ(catalog->job(job.id)->state, JobState::running) << "it is left as it is, for whoever goes on";
}

TEST_F(LivingJobs, OneThatEndsIsWaitedForNoLonger) {
  Job job = job_owned_by(process_owner());
  const Job awaited = job;
  clock.event = [&] {
    job.state = JobState::succeeded;
    ASSERT_TRUE(catalog->save_job(job).ok());
  };
  EXPECT_TRUE(wait_for(awaited).ok());
  EXPECT_EQ(clock.sleeps, 3);
}

TEST_F(LivingJobs, OnlyThoseThatAreMeantAreWaitedFor) {
  job_owned_by(process_owner());
  EXPECT_TRUE(
      wait_while_one_lives(*catalog, clock, [](const Job& job) { return job.subject == "db"; }, {}).ok());
  EXPECT_EQ(clock.sleeps, 0);
}

TEST_F(LivingJobs, AWaitIsToldWithJsonTooAndCanBeEnded) {
  const Job job = job_owned_by(process_owner());
  std::stop_source stop;
  stop.request_stop();
  testing::internal::CaptureStderr();
  const Result<> waited = wait_for(job, stop.get_token());
  const auto told = nlohmann::json::parse(testing::internal::GetCapturedStderr(), nullptr, false);
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code(), ErrorCode::cancelled);
  ASSERT_TRUE(told.is_object()) << told;
  const std::string sentence = told.value("progress", std::string());
  EXPECT_NE(sentence.find("Waiting for replicate " + job.id.str() + " of web;"), std::string::npos)
      << sentence;
}

}  // namespace
}  // namespace rekindle
