// The one program: the command line of the product, and the sandbox to try it on.
#include "app/home_workplace.h"
#include "base/file_limit.h"
#include "cli/cli.h"
#include "sandbox/commands/sandbox_commands.h"

int main(int argc, char** argv) {
  rekindle::raise_open_files();
  return rekindle::run_command_line(
      argc, argv, rekindle::open_home, [](CLI::App& root, const rekindle::ExtraSession& session) {
        rekindle::sandbox::add_sandbox_commands(root, {session.chosen, session.json, session.interrupted});
      });
}
