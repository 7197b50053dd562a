// Starting jobs from the command line, after what was left unfinished.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.h"
#include "jobs/job_runner.h"

namespace rekindle {

// The table of a kind of job, with this workplace's sites.
JobProcedure procedure_of(JobKind kind, Workplace& workplace);

enum class Unfinished {
  finish,  // a dead process's job of the machine is finished first; a living one's is an error
  cancel,  // both are cancelled first: a disaster does not wait
};

// Performs a job to its end and draws it. Returns it also when it failed.
Result<Job> perform_job(Session& session, Workplace& workplace, JobKind kind, const std::string& subject,
                        nlohmann::json parameters, Unfinished unfinished);

// Finishes, or cleans up after, every job whose process is gone; then removes what finished jobs left at
// sites that can be reached now. Returns the jobs.
Result<std::vector<Job>> resume_all(Session& session, Workplace& workplace);

// Says which machine an error is about, where there were several.
Error about_one_of(std::size_t machines, const std::string& machine, Error why);

// "4.2 s": from creation to the last save.
std::string duration_of(const Job& job);

}  // namespace rekindle
