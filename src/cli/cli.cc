#include "cli/cli.h"

#include <signal.h>

#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "cli/commands.h"

namespace rekindle {

namespace {

std::string default_home() {
  const char* home = std::getenv("REKINDLE_HOME");  // NOLINT(concurrency-mt-unsafe): before any thread
  if (home != nullptr) return home;
  const char* user_home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
  return std::string(user_home != nullptr ? user_home : ".") + "/.rekindle";
}

// Turns Ctrl-C into a polite stop: the job in work cleans up and ends as cancelled. A second one kills.
class Interrupts {
 public:
  Interrupts() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::thread([set, this] {
      int signal = 0;
      sigwait(&set, &signal);
      stop_.request_stop();
      sigwait(&set, &signal);
      std::_Exit(128 + signal);
    }).detach();
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
};

void add_nouns(CLI::App& root, Session& session) {
  add_datacenter_commands(root, session);
  add_account_commands(root, session);
  add_vault_commands(root, session);
  add_machine_commands(root, session);
  add_policy_commands(root, session);
  add_retention_commands(root, session);
  add_plan_commands(root, session);
  add_backup_commands(root, session);
  add_point_commands(root, session);
  add_replicate_commands(root, session);
  add_failover_commands(root, session);
  add_failback_commands(root, session);
  add_job_commands(root, session);
}

// One sentence for words that cannot be understood.
std::string refusal(const CLI::App* root, const CLI::Error& failure) {
  const CLI::App* at = root;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::string help = "rekindle";
  for (const CLI::App* app = at; app != root; app = app->get_parent()) help.insert(8, " " + app->get_name());
  std::string what = failure.what();
  if (failure.get_name() == "RequiredError" && !at->get_subcommands({}).empty()) {
    const auto rest = at->remaining();
    what = rest.empty() ? "a word is missing" : fmt::format("there is no '{}' here", rest.front());
    std::string words;
    for (const CLI::App* word : at->get_subcommands({}))
      words += (words.empty() ? "" : ", ") + word->get_name();
    what += "; known: " + words;
  }
  return fmt::format("rekindle: {}; see '{} --help'\n", what, help);
}

}  // namespace

CLI::App* add_verb(CLI::App& noun, const std::string& verb, const std::string& help, Session& session,
                   std::function<Result<>(Workplace&)> action) {
  CLI::App* command = noun.add_subcommand(verb, help);
  command->callback([&session, action = std::move(action)] {
    session.chosen = [&session, action]() -> Result<> {
      Workplace* workplace = TRY(session.workplace());
      return action(*workplace);
    };
  });
  return command;
}

int run_command_line(int argc, const char* const* argv, const OpenWorkplace& open,
                     const ExtraCommands& extra) {
  // Lives to the end of the process: its thread does.
  static Interrupts interrupts;
  Session session;
  session.interrupted = interrupts.token();
  std::unique_ptr<Workplace> workplace;
  std::string home = default_home();
  bool verbose = false;

  CLI::App root("Rekindle: disaster recovery for VMware virtual machines into AWS.", "rekindle");
  root.require_subcommand(1);
  root.failure_message(refusal);
  root.fallthrough();
  root.add_flag("--json", session.output.json, "Print JSON");
  root.add_flag("--verbose,-v", verbose, "Log what is done to standard error");
  root.add_option("--home", home, "Where the catalog and the secrets are kept")
      ->envname("REKINDLE_HOME")
      ->capture_default_str();
  session.workplace = [&]() -> Result<Workplace*> {
    if (!workplace) workplace = TRY(open(home));
    return workplace.get();
  };
  add_nouns(root, session);
  extra(root, {session.chosen, session.output.json, session.interrupted});
  for (CLI::App* noun : root.get_subcommands({})) noun->require_subcommand(1);
  add_serve_command(root, session);

  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& failure) {
    return root.exit(failure) == 0 ? 0 : 2;
  }
  if (verbose) log::set_level(log::Level::info);
  const Result<> result = session.chosen();
  if (result.ok()) return 0;
  session.output.fail(result.error());
  return 1;
}

}  // namespace rekindle
