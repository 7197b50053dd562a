// vault: where recovery points rest, in a directory or on S3.
#include "cli/commands.h"
#include "cli/data_rate.h"

namespace rekindle {

namespace {

struct VaultInput {
  VaultSettings settings;
  std::string passphrase_file;
  std::string secret_file;
  std::string limit_upload;
  std::string limit_download;
};

Result<> check_place(const VaultSettings& vault) {
  if (vault.directory.empty() == vault.s3.empty()) {
    return error(ErrorCode::invalid_argument,
                 "say where the vault is kept: either --directory, or --s3 with s3://bucket/prefix");
  }
  if (vault.s3.empty() && vault.lock_days > 0) {
    return error(ErrorCode::invalid_argument, "--lock-days is for vaults on S3: a directory has no locks");
  }
  if (!vault.s3.empty() && vault.account.empty() == vault.access_key_id.empty()) {
    return error(ErrorCode::invalid_argument,
                 "say with whose key S3 is called: either --account, or --access-key-id");
  }
  return {};
}

Result<VaultSettings> read_settings(const VaultInput& input, Workplace& workplace) {
  VaultSettings vault = input.settings;
  TRY(check_place(vault));
  vault.limit_upload = TRY(parse_data_rate(input.limit_upload), "--limit-upload");
  vault.limit_download = TRY(parse_data_rate(input.limit_download), "--limit-download");
  if (!vault.access_key_id.empty()) {
    const std::string secret = TRY(read_secret(input.secret_file, "REKINDLE_SECRET_ACCESS_KEY",
                                               "Secret access key of " + vault.access_key_id));
    vault.sealed_secret_access_key = TRY(workplace.seal(secret));
  }
  if (!vault.account.empty() && vault.region.empty()) {
    Catalog* catalog = TRY(workplace.catalog());
    vault.region = TRY(catalog->get<Account>(vault.account)).region;
  }
  const std::string passphrase =
      TRY(read_secret(input.passphrase_file, "REKINDLE_PASSPHRASE", "Passphrase of the vault"));
  vault.sealed_passphrase = TRY(workplace.seal(passphrase));
  return vault;
}

Result<> create(const VaultInput& input, Workplace& workplace, const Session& session) {
  const VaultSettings vault = TRY(read_settings(input, workplace));
  TRY(workplace.prepare_vault(vault), "vault {}", vault.name);
  Catalog* catalog = TRY(workplace.catalog());
  TRY(catalog->put(vault));
  session.output.say(
      fmt::format("The vault {} is ready in {}. Keep its passphrase somewhere else too: without it "
                  "nobody can read the recovery points.",
                  vault.name, vault.directory.empty() ? vault.s3 : vault.directory));
  if (session.output.json) session.output.record(shown(vault));
  return {};
}

void add_s3_options(CLI::App& verb, VaultInput& input) {
  VaultSettings& vault = input.settings;
  verb.add_option("--s3", vault.s3, "Or the bucket: s3://bucket/prefix; docs/s3.md says what it needs");
  verb.add_option("--region", vault.region, "Region of the bucket (else the account's)");
  verb.add_option("--endpoint", vault.endpoint, "An S3 server other than AWS's own: https://host[:port]");
  verb.add_option("--account", vault.account, "The registered AWS account whose credentials are used");
  verb.add_option("--access-key-id", vault.access_key_id, "Or an access key of its own");
  verb.add_option("--secret-file", input.secret_file,
                  "File with its secret (else REKINDLE_SECRET_ACCESS_KEY, else a prompt)");
  verb.add_option("--lock-days", vault.lock_days,
                  "Lock what is put for so many days; the bucket needs object lock")
      ->check(CLI::Range(0, 36500));
  verb.add_option("--lock-mode", vault.lock_mode,
                  "compliance: nobody can remove it; governance: those who may bypass it can")
      ->check(CLI::IsMember({"compliance", "governance"}))
      ->default_val("compliance");
}

void add_vault_create(CLI::App& noun, Session& session) {
  auto input = std::make_shared<VaultInput>();
  CLI::App* verb =
      add_verb(noun, "create", "Make a vault, or use one that is there", session,
               [&session, input](Workplace& workplace) { return create(*input, workplace, session); });
  verb->add_option("name", input->settings.name, "How you call it")->required();
  verb->add_option("--directory", input->settings.directory, "Where its objects are kept");
  add_s3_options(*verb, *input);
  verb->add_option("--limit-upload", input->limit_upload, "At most so much a second: 50MiB/s");
  verb->add_option("--limit-download", input->limit_download, "At most so much a second: 50MiB/s");
  verb->add_option("--passphrase-file", input->passphrase_file,
                   "File with the passphrase (else REKINDLE_PASSPHRASE, else a prompt)");
}

void add_vault_keep(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  auto days = std::make_shared<int>(0);
  CLI::App* verb = add_verb(
      noun, "keep", "Lock what the recovery points need anew", session,
      [&session, name, days](Workplace& workplace) -> Result<> {
        Catalog* catalog = TRY(workplace.catalog());
        const auto settings = TRY(catalog->get<VaultSettings>(*name));
        if (settings.lock_days == 0) {
          return error(ErrorCode::failed_precondition,
                       "the vault {} has no locks: see --lock-days of `vault create`", *name);
        }
        const Time until =
            workplace.clock().now() + std::chrono::days(*days > 0 ? *days : settings.lock_days);
        Vault* vault = TRY(workplace.vaults().vault(*name));
        const KeepReport report = TRY(vault->keep_until(until, session.interrupted), "vault {}", *name);
        session.output.say(fmt::format("{} recovery points stay until {} at least: {} objects are locked.",
                                       report.points, to_iso8601(until), report.objects));
        if (session.output.json) {
          session.output.record(
              {{"points", report.points}, {"objects", report.objects}, {"until", to_iso8601(until)}});
        }
        return {};
      });
  verb->add_option("name", *name, "Its name")->required();
  verb->add_option("--days", *days, "For so many days from now (else --lock-days of the vault)")
      ->check(CLI::Range(1, 36500));
}

void add_vault_restore_hidden(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  CLI::App* verb = add_verb(noun, "restore-hidden", "Bring back what somebody hid in the bucket", session,
                            [&session, name](Workplace& workplace) -> Result<> {
                              const std::string done =
                                  TRY(workplace.restore_hidden(*name), "vault {}", *name);
                              session.output.say(done);
                              if (session.output.json) session.output.record({{"done", done}});
                              return {};
                            });
  verb->add_option("name", *name, "Its name")->required();
}

}  // namespace

void add_vault_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("vault", "Repositories of recovery points");
  add_vault_create(*noun, session);
  add_list_verb<VaultSettings>(*noun, session, "List them",
                               {{"name", "NAME"}, {"directory", "DIRECTORY"}, {"s3", "S3"}});
  add_show_verb<VaultSettings>(*noun, session, "Show one");
  add_vault_care_verbs(*noun, session);
  add_vault_key_commands(*noun, session);
  add_vault_keep(*noun, session);
  add_vault_restore_hidden(*noun, session);
  add_remove_verb<VaultSettings>(
      *noun, session, "Forget one; what is in it stays",
      [](Catalog& catalog, const std::string& name) -> Result<> {
        auto policies = TRY(catalog.list<BackupPolicy>());
        std::erase_if(policies, [&](const BackupPolicy& policy) { return policy.vault != name; });
        return refuse_while_used("vault", name, "policy", names_of(policies));
      });
}

}  // namespace rekindle
