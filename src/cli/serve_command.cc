// serve: the daemon that keeps the schedules of backup policies and DR plans, and tells of plans that would
// not work.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/log.h"
#include "cli/job_control.h"
#include "cli/plan_watch.h"
#include "cli/protect_work.h"
#include "cli/recent_failures.h"
#include "cli/work_slots.h"
#include "protect/due_work.h"
#include "protect/held_instance.h"
#include "recover/left_running.h"
#include "recover/running_tests.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

struct ServeInput {
  int parallel = 4;
  bool once = false;
};

// Performs what is due and what others left behind, so many at a time, and never two for one machine and
// side.
class Daemon {
 public:
  Daemon(Session& session, Workplace& workplace, int parallel)
      : session_(session),
        of_jobs_(session),
        workplace_(workplace),
        slots_(static_cast<std::size_t>(parallel)) {
    of_jobs_.interrupted = {};  // the end of the daemon is not the end of its jobs
  }

  // Starts what is due and was not started yet. Returns how much is under way.
  Result<std::size_t> look() {
    Catalog* catalog = TRY(workplace_.catalog());
    {
      // Before: what ends while the catalog is read is not due again by what was read.
      const std::lock_guard lock(mutex_);
      forget_finished();
    }
    const auto unfinished = TRY(catalog->unfinished_jobs());
    const auto due = TRY(due_work(*catalog, workplace_.clock().now()));
    const auto left = TRY(machines_left_running(*catalog, workplace_.clock().now()));
    const std::lock_guard lock(mutex_);
    for (const Job& job : unfinished) {
      const std::string task = "job " + job.id.str();  // ended or gone on with: what failed waits with both
      if (is_expired_test(job, workplace_.clock().now()))
        start(side_of(job.kind), job.subject, task, [this, job] { return end_expired(job); });
      if (!may_go_on_unasked(job.kind) || owner_lives(job.owner) || is_part_of_another(job, unfinished))
        continue;
      start(side_of(job.kind), job.subject, task,
            [this, job]() -> Result<> { return outcome(TRY(resume_job(of_jobs_, workplace_, job, {}))); });
    }
    for (const LeftRunning& one : left) {
      start("VM of before", one.machine, "switch off " + one.machine, [this, catalog, one] {
        return switch_off_left_running(*catalog, workplace_.sites(), one, workplace_.clock().now());
      });
    }
    for (const DueWork& work : due) {
      start(side_of(work.kind), work.machine, task_of(work), [this, work] { return perform(work); });
    }
    return running_.size();
  }

  bool idle() {
    const std::lock_guard lock(mutex_);
    forget_finished();
    return running_.empty();
  }

 private:
  using Key = std::pair<std::string, std::string>;  // side and machine

  static std::string task_of(const DueWork& work) {
    return fmt::format("{} {} {}", word(work.kind), work.owner, work.machine);
  }

  // Under the mutex. A machine and side has one at a time; what waits after a failure is the task alone.
  void start(std::string_view side, const std::string& machine, const std::string& task,
             std::function<Result<>()> work) {
    const Key key{side, machine};
    if (session_.interrupted.stop_requested()) return;
    if (failures_.has(task, workplace_.clock().now())) return;
    if (!slots_.take(side, machine)) return;
    running_.emplace(key, std::jthread([this, key, machine, task, work = std::move(work)] {
                       const Result<> done = work();
                       if (!done.ok()) log::error("{}: {}", machine, done.error().message());
                       const std::lock_guard lock(mutex_);
                       failures_.remove(task);
                       if (!done.ok()) failures_.add(task, workplace_.clock().now());
                       finished_.insert(key);
                     }));
  }

  void forget_finished() {
    for (const Key& key : finished_) {
      running_.erase(key);
      slots_.give_back(key.first, key.second);
    }
    finished_.clear();
  }

  Result<> perform(const DueWork& work) {
    log::info("{} of {} is due ({})", word(work.kind), work.machine, work.owner);
    Catalog* catalog = TRY(workplace_.catalog());
    if (work.kind == JobKind::failover_cleanup) return end_failover(work);
    if (work.kind == JobKind::backup) {
      const auto policy = TRY(catalog->get<BackupPolicy>(work.owner));
      return back_up(of_jobs_, workplace_, policy, work.machine, false);
    }
    const auto plan = TRY(catalog->get<DrPlan>(work.owner));
    return replicate(of_jobs_, workplace_, plan, work.machine);
  }

  Result<> end_failover(const DueWork& work) {
    Catalog* catalog = TRY(workplace_.catalog());
    const auto failover = TRY(catalog->get<Failover>(work.owner));
    const bool is_test = failover.kind == FailoverKind::test;
    const auto ledger = TRY(catalog->ledger());
    if (is_test && !outlives_its_expiry(failover, ledger, workplace_.clock().now()))
      return {};  // somebody ended it just now
    const Job job = TRY(perform_job(of_jobs_, workplace_, work.kind, work.machine,
                                    {{"failover_id", failover.id}}, Unfinished::finish));
    TRY(outcome(job));
    if (is_test) {
      log::warn("{}: its test {} expired: the instance {} and its volumes are gone", work.machine,
                failover.id, failover.instance_id);
    }
    return {};
  }

  // One that was interrupted, or waits for an approval, is forgotten too. What it recorded is ended as it is
  // due.
  Result<> end_expired(const Job& job) {
    log::warn("the test {} of {} expired before it was finished: it is cancelled", job.id, job.subject);
    return cancel_job(of_jobs_, workplace_, job);
  }

  Session& session_;
  Session of_jobs_;
  Workplace& workplace_;
  WorkSlots slots_;
  std::mutex mutex_;
  std::map<Key, std::jthread> running_;
  std::set<Key> finished_;
  RecentFailures failures_;
};

Result<> serve(Session& session, Workplace& workplace, const ServeInput& input) {
  session.output.say("Keeping the schedules of policies and plans; Ctrl-C ends it.");
  Daemon daemon(session, workplace, input.parallel);
  std::atomic<bool> watch_ended = input.once;
  std::jthread watch;
  if (!input.once) {
    watch = std::jthread([&] {
      watch_plans(workplace, session.interrupted);
      watch_ended = true;
    });
  }
  constexpr milliseconds pause{1000};
  for (;;) {
    const auto under_way = daemon.look();
    if (!under_way.ok()) {
      if (input.once) return under_way.error();
      log::error("looking what is due: {}", under_way.error().message());
    }
    if (input.once && *under_way == 0) return {};
    if (!workplace.clock().sleep(input.once ? pause / 10 : pause, session.interrupted)) break;
  }
  // Jobs bear it as they bear a power cut, and nothing that was moved is moved again: nobody waits for the
  // end of a backup of hours, and none is thrown away. Nor for a site that does not answer the watch.
  const bool idle = daemon.idle();
  for (int i = 0; i < 50 && !watch_ended; ++i) workplace.clock().sleep(milliseconds(10));
  if (idle && watch_ended) return {};
  if (!idle) session.output.say("Ending; what is under way goes on at the next start.");
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace

void add_serve_command(CLI::App& root, Session& session) {
  auto input = std::make_shared<ServeInput>();
  CLI::App* command = root.add_subcommand(
      "serve",
      "The daemon: keeps the schedules of policies and plans, and warns of plans that would not work");
  command->callback([&session, input] {
    session.chosen = [&session, input]() -> Result<> {
      Workplace* workplace = TRY(session.workplace());
      return serve(session, *workplace, *input);
    };
  });
  command->add_option("--parallel", input->parallel, "Machines at a time, of backups and of DR copies each")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_flag("--once", input->once, "Do what is due now, and end");
}

}  // namespace rekindle
