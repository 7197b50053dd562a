#include "sandbox/commands/sandbox_commands.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/file.h"
#include "sandbox/commands/sandbox_servers.h"
#include "sandbox/commands/serve_disk.h"
#include "sandbox/datacenter/datacenter.h"

namespace rekindle::sandbox {

namespace {

struct Input {
  std::filesystem::path directory;
  std::filesystem::path credentials;
  std::filesystem::path guest;
  std::string name;
  std::uint16_t port = 0;
  std::string mode = "nfs";
  bool revive = false;
};

using Action = std::function<Result<>(const Input&)>;

CLI::App* add_verb(CLI::App& noun, const CommandSession& session, const std::string& verb,
                   const std::string& help, const std::shared_ptr<Input>& input, Action action) {
  CLI::App* command = noun.add_subcommand(verb, help);
  command->callback([chosen = &session.chosen, input, action = std::move(action)] {
    *chosen = [input, action] { return action(*input); };
  });
  command->add_option("--directory", input->directory, "Where the sandbox lives")->required();
  return command;
}

void print(const nlohmann::json& body) {
  fmt::print("{}\n", body.dump(2));
}

Result<ServerOptions> server_options(const Input& input, const char* part, const char* user,
                                     const char* secret) {
  const std::string text = TRY(read_text_file(input.credentials));
  const auto body = nlohmann::json::parse(text, nullptr, false);
  if (body.is_discarded() || !body.contains(part)) {
    return error(ErrorCode::invalid_argument, "{} holds no credentials of the {}", input.credentials.string(),
                 part);
  }
  return ServerOptions{input.directory, input.port,  body[part].value(user, ""), body[part].value(secret, ""),
                       input.mode,      input.revive};
}

void add_server_verbs(CLI::App& noun, const CommandSession& session) {
  auto input = std::make_shared<Input>();
  const std::stop_token stop = session.interrupted;
  CLI::App* datacenter =
      add_verb(noun, session, "serve-datacenter", "Serve a datacenter in the foreground", input,
               [stop](const Input& given) -> Result<> {
                 return serve_datacenter(TRY(server_options(given, "datacenter", "user", "password")), stop);
               });
  datacenter->add_option("--mode", input->mode, "What downloads of running machines are allowed: nfs, vmfs");
  datacenter->add_flag("--revive", input->revive, "Serve again after a disaster");
  CLI::App* region = add_verb(
      noun, session, "serve-region", "Serve an AWS region in the foreground", input,
      [stop](const Input& given) -> Result<> {
        return serve_region(TRY(server_options(given, "region", "access_key_id", "secret_access_key")), stop);
      });
  for (CLI::App* command : {datacenter, region}) {
    command->add_option("--credentials", input->credentials, "JSON file with the credentials to accept")
        ->required();
    command->add_option("--port", input->port, "Port to listen on; else that of last time, or any");
  }
}

void add_machine_verb(CLI::App& noun, const CommandSession& session) {
  auto input = std::make_shared<Input>();
  CLI::App* command =
      add_verb(noun, session, "add-machine", "Add a machine made from a guest image, and start it", input,
               [](const Input& given) -> Result<> {
                 const auto client = TRY(DatacenterClient::connect(given.directory / "datacenter"));
                 MachineSpec spec;
                 spec.name = given.name;
                 spec.guest_directory = given.guest;
                 print(TRY(client.add_machine(spec)));
                 return {};
               });
  command->add_option("name", input->name, "Its name")->required();
  command->add_option("--guest", input->guest, "Folder that sandbox/guests/build printed")->required();
}

void add_serve_disk_verb(CLI::App& noun, const CommandSession& session) {
  auto input = std::make_shared<ServeDiskOptions>();
  CLI::App* command = noun.add_subcommand(
      "serve-disk", "Serve a disk of a machine that is off over NBD, as nbdkit does with VDDK");
  command->callback([chosen = &session.chosen, stop = session.interrupted, input] {
    *chosen = [stop, input] { return serve_disk(*input, stop); };
  });
  command->add_option("--host", input->host, "Of the datacenter")->required();
  command->add_option("--port", input->port, "Of the datacenter")->required();
  command->add_option("--thumbprint", input->thumbprint, "SHA-256 of its certificate")->required();
  command->add_option("--user", input->user, "Who logs in")->required();
  command->add_option("--password-file", input->password_file, "File with the password")->required();
  command->add_option("--vm", input->machine, "The machine's managed object id")->required();
  command->add_option("--file", input->file, "The disk: [datastore1] web/web.vmdk")->required();
  command->add_option("--socket", input->socket, "Unix socket to serve it at")->required();
}

}  // namespace

void add_sandbox_commands(CLI::App& root, CommandSession session) {
  CLI::App* noun = root.add_subcommand("sandbox", "A datacenter and an AWS region on this computer");
  auto input = std::make_shared<Input>();
  CLI::App* start = add_verb(*noun, session, "start", "Start both, and say where they answer", input,
                             [](const Input& given) -> Result<> {
                               print(TRY(start_sandbox(given.directory, given.revive)));
                               return {};
                             });
  start->add_flag("--revive", input->revive, "Also a datacenter that was lost");
  add_verb(*noun, session, "status", "Say what runs", input, [](const Input& given) -> Result<> {
    print(TRY(sandbox_status(given.directory)));
    return {};
  });
  add_machine_verb(*noun, session);
  add_verb(*noun, session, "disaster", "Kill the datacenter with all its machines, without ceremony", input,
           [](const Input& given) { return strike_datacenter(given.directory); });
  add_verb(*noun, session, "stop", "End servers, machines and instances; files stay", input,
           [](const Input& given) { return stop_sandbox(given.directory); });
  auto guest = std::make_shared<Input>();
  CLI::App* prepare =
      noun->add_subcommand("prepare-guest", "Boot a guest once and keep it suspended, for quick starts");
  prepare->add_option("guest", guest->guest, "Folder that sandbox/guests/build printed")->required();
  prepare->callback(
      [chosen = &session.chosen, guest] { *chosen = [guest] { return prepare_saved_state(guest->guest); }; });
  add_server_verbs(*noun, session);
  add_serve_disk_verb(*noun, session);
}

}  // namespace rekindle::sandbox
