// vault key: who can open a vault, and rotating what it is sealed with.
#include "cli/commands.h"

namespace rekindle {

namespace {

struct KeyInput {
  std::string vault;
  std::string passphrase_file;
  std::string key_file;
  std::string id;
};

constexpr const char* new_passphrase = "REKINDLE_NEW_PASSPHRASE";

Result<std::string> read_new_passphrase(const KeyInput& input) {
  return read_secret(input.passphrase_file, new_passphrase, "Passphrase from now on");
}

void add_passphrase_option(CLI::App& verb, KeyInput& input) {
  verb.add_option("--passphrase-file", input.passphrase_file,
                  "File with the passphrase (else REKINDLE_NEW_PASSPHRASE, else a prompt)");
}

// What this home opens the vault with from now on.
Result<> remember(Workplace& workplace, const std::string& vault, const std::string& passphrase) {
  Catalog* catalog = TRY(workplace.catalog());
  auto settings = TRY(catalog->get<VaultSettings>(vault));
  settings.sealed_passphrase = TRY(workplace.seal(passphrase));
  return catalog->put(settings);
}

Result<> list(Session& session, Workplace& workplace, const KeyInput& input) {
  Vault* vault = TRY(workplace.vaults().vault(input.vault));
  const auto keys = TRY(vault->list_secrets());
  std::vector<nlohmann::json> records;
  for (const VaultKeyInfo& key : keys) {
    records.push_back({{"id", key.id},
                       {"kind", key.passphrase ? "passphrase" : "key file"},
                       {"epoch", key.epoch},
                       {"made", key.put_at}});
  }
  session.output.records(records, {{"id", "KEY"}, {"kind", "KIND"}, {"epoch", "EPOCH"}, {"made", "MADE"}});
  return {};
}

Result<> add(Session& session, Workplace& workplace, const KeyInput& input) {
  Vault* vault = TRY(workplace.vaults().vault(input.vault));
  if (!input.key_file.empty()) {
    std::error_code ignored;
    if (!std::filesystem::exists(input.key_file, ignored)) {
      TRY(VaultSecret::make_key_file(input.key_file, workplace.random()));
      session.output.say(
          fmt::format("Made the key file {}: keep it away from this machine.", input.key_file));
    }
    TRY(vault->add_secret(TRY(VaultSecret::from_key_file(input.key_file))));
    session.output.say(fmt::format("The key file {} opens the vault {} too.", input.key_file, input.vault));
    return {};
  }
  TRY(vault->add_secret(VaultSecret::passphrase(TRY(read_new_passphrase(input)))));
  session.output.say(fmt::format("The new passphrase opens the vault {} too.", input.vault));
  return {};
}

// Of use where the passphrase was changed, or the key rotated, from another machine.
Result<> use(Session& session, Workplace& workplace, const KeyInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  const std::string passphrase = TRY(read_new_passphrase(input));
  auto settings = TRY(catalog->get<VaultSettings>(input.vault));
  settings.sealed_passphrase = TRY(workplace.seal(passphrase));
  TRY(workplace.prepare_vault(settings), "vault {}", input.vault);
  TRY(catalog->put(settings));
  session.output.say(fmt::format("The vault {} is opened with this passphrase from now on.", input.vault));
  return {};
}

Result<> remove(Session& session, Workplace& workplace, const KeyInput& input) {
  Vault* vault = TRY(workplace.vaults().vault(input.vault));
  TRY(vault->remove_secret(input.id));
  session.output.say(
      fmt::format("The key {} opens the vault {} no more. Who knows the master key by it still "
                  "reads what is there: 'rekindle vault key rotate {}' shuts him out of what "
                  "comes.",
                  input.id, input.vault, input.vault));
  return {};
}

Result<> rotate(Session& session, Workplace& workplace, const KeyInput& input) {
  Vault* vault = TRY(workplace.vaults().vault(input.vault));
  const std::string passphrase = TRY(read_new_passphrase(input));
  TRY(vault->rotate_key(VaultSecret::passphrase(passphrase)));
  TRY(remember(workplace, input.vault, passphrase));
  session.output.say(
      fmt::format("What is written to the vault {} from now on is sealed under a new key; what is "
                  "there was not touched. Only this passphrase opens it: say 'rekindle vault key "
                  "use {}' on other proxies, and add key files again.",
                  input.vault, input.vault));
  return {};
}

}  // namespace

void add_vault_key_commands(CLI::App& vault, Session& session) {
  CLI::App* noun = vault.add_subcommand("key", "Who can open it");
  noun->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, auto action) {
    auto input = std::make_shared<KeyInput>();
    CLI::App* added = add_verb(*noun, name, help, session, [&session, input, action](Workplace& workplace) {
      return action(session, workplace, *input);
    });
    added->add_option("vault", input->vault, "The vault")->required();
    return std::pair(added, input);
  };
  verb("list", "List what opens it", list);
  const auto [adding, added] = verb("add", "Let another passphrase or key file open it", add);
  add_passphrase_option(*adding, *added);
  adding->add_option("--key-file", added->key_file, "A key file instead; made if it is not there");
  const auto [using_, used] = verb("use", "Open it with another of its passphrases from here on", use);
  add_passphrase_option(*using_, *used);
  const auto [removing, removed] = verb("remove", "Let one open it no more", remove);
  removing->add_option("key", removed->id, "Its id")->required();
  const auto [rotating, rotated] =
      verb("rotate", "Seal what comes under a new master key; only one passphrase opens it then", rotate);
  add_passphrase_option(*rotating, *rotated);
}

}  // namespace rekindle
