// Starting jobs from the command line, after what was left unfinished.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.h"
#include "jobs/job_runner.h"

namespace rekindle {

// The table of a kind of job, with this workplace's sites. Both outlive it.
JobProcedure procedure_of(JobKind kind, Session& session, Workplace& workplace);

enum class Unfinished {
  finish,  // a dead process's job of the machine is finished first; a living one's is an error
  cancel,  // a replication is cancelled first, living or not, and a living test: a disaster does not wait
  wait,    // a living replication is waited for, a dead one cancelled: a test leaves alone what goes on
};

// What a failover does with what stands in its way.
constexpr Unfinished unfinished_for(FailoverKind kind) {
  return kind == FailoverKind::test ? Unfinished::wait : Unfinished::cancel;
}

// Performs a job to its end and draws it. Returns it also when it failed.
Result<Job> perform_job(Session& session, Workplace& workplace, JobKind kind, const std::string& subject,
                        nlohmann::json parameters, Unfinished unfinished);

// Finishes, or cleans up after, a job whose process is gone.
Result<Job> resume_job(Session& session, Workplace& workplace, const Job& job, std::stop_token stop);

// Whether a job that was interrupted may be gone on with unasked: machines are started only when somebody
// wants it now.
bool may_go_on_unasked(JobKind kind);

// A backup of an instance whose machine is coming home: the failback goes on with it, and would not have
// another one beside it.
bool is_part_of_another(const Job& job, const std::vector<Job>& unfinished);

enum class Resume { everything, unasked };

// Finishes, or cleans up after, every job whose process is gone; then removes what finished jobs left at
// sites that can be reached now. Goes on after an error, and returns the first; else the jobs.
Result<std::vector<Job>> resume_all(Session& session, Workplace& workplace, Resume which);

// Ends the unfinished jobs of this subject and kind: those of living processes are told to stop and waited
// for, those of dead ones are cleaned up after.
Result<> cancel_unfinished(Session& session, Workplace& workplace, JobKind kind, const std::string& subject);

// The same with this one job; over is fine.
Result<> cancel_job(Session& session, Workplace& workplace, const Job& job);

// Says which machine an error is about, where there were several.
Error about_one_of(std::size_t machines, const std::string& machine, Error why);

// "4.2 s": from creation to the last save.
std::string duration_of(const Job& job);

}  // namespace rekindle
