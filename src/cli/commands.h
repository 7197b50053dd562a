// One function per noun: adds its verbs to the root command.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/workplace.h"
#include "jobs/job_runner.h"
#include "model/settings.h"

namespace rekindle {

// What a command can use while it runs; lives as long as the program.
struct Session {
  Output output;
  std::function<Result<>()> chosen;  // the command that was named
  std::function<Result<Workplace*>()> workplace;
  std::stop_token interrupted;   // by Ctrl-C or SIGTERM
  bool shares_terminal = false;  // with others at work beside it: no progress line is drawn
};

// A verb: `action` runs when it was named. Options are added to the returned command.
CLI::App* add_verb(CLI::App& noun, const std::string& verb, const std::string& help, Session& session,
                   std::function<Result<>(Workplace&)> action);

void add_datacenter_commands(CLI::App& root, Session& session);
void add_account_commands(CLI::App& root, Session& session);
void add_vault_commands(CLI::App& root, Session& session);
void add_machine_commands(CLI::App& root, Session& session);
void add_policy_commands(CLI::App& root, Session& session);
void add_plan_commands(CLI::App& root, Session& session);
void add_backup_commands(CLI::App& root, Session& session);
void add_point_commands(CLI::App& root, Session& session);
void add_replicate_commands(CLI::App& root, Session& session);
void add_failover_commands(CLI::App& root, Session& session);
// list, show; of the noun failover.
void add_failover_list_verbs(CLI::App& noun, Session& session);
void add_failback_commands(CLI::App& root, Session& session);
void add_failback_adopt_verb(CLI::App& noun, Session& session);
void add_job_commands(CLI::App& root, Session& session);
// `not_found` for machines that no policy backs up.
Result<> check_machines(Catalog& catalog, const DrPlan& plan);
// export, apply, check, cost; of the noun plan.
void add_plan_file_verbs(CLI::App& noun, Session& session);
void add_plan_check(CLI::App& noun, Session& session);
void add_plan_cost(CLI::App& noun, Session& session);
// audit, policy; of the noun account.
void add_account_care_verbs(CLI::App& noun, Session& session);
void add_serve_command(CLI::App& root, Session& session);
// check, repair, collect; of the noun vault.
void add_vault_care_verbs(CLI::App& noun, Session& session);
// key; of the noun vault.
void add_vault_key_commands(CLI::App& vault, Session& session);
// --keep-last, --keep-daily ...
void add_retention_options(CLI::App& verb, RetentionRules& rules);
// hold, release; of the noun point.
void add_point_hold(CLI::App& noun, Session& session);
void add_retention_commands(CLI::App& root, Session& session);
// remove; of the noun backup.
void add_backup_remove(CLI::App& noun, Session& session);

// A secret from, in this order: the file (if `file` is not empty), the environment variable, a prompt on the
// terminal.
Result<std::string> read_secret(const std::string& file, const char* variable, const std::string& prompt);

// `not_found` that names the machines there are.
Error no_such_machine(const std::string& datacenter, const std::string& name,
                      const std::vector<Machine>& there);

// `list` and `remove` of a kind of record.
template <typename T>
void add_list_verb(CLI::App& noun, Session& session, const std::string& help, std::vector<Column> columns);
// Refuses with the reason while something needs the record.
using RemovalGuard = std::function<Result<>(Catalog& catalog, const std::string& name)>;
template <typename T>
void add_remove_verb(CLI::App& noun, Session& session, const std::string& help, RemovalGuard guard = {});

}  // namespace rekindle

#include "cli/record_verbs.h"  // IWYU pragma: export
