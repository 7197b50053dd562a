// datacenter, account, vault: what has an address and a secret.
#include "cli/commands.h"

namespace rekindle {

namespace {

template <typename T>
std::vector<std::string> names_of(const std::vector<T>& records) {
  std::vector<std::string> names;
  for (const T& record : records) names.push_back(record.name);
  return names;
}

Result<> refuse_while_used(const std::string& kind, const std::string& name, const std::string& user_kind,
                           const std::vector<std::string>& users) {
  if (users.empty()) return {};
  return error(ErrorCode::failed_precondition, "the {} {} is used by the {} {}; remove that first", kind,
               name, user_kind, fmt::join(users, ", "));
}

template <typename T>
struct Registration {
  T settings;
  std::string secret_file;
};

void add_datacenter_add(CLI::App& noun, Session& session) {
  auto input = std::make_shared<Registration<Datacenter>>();
  CLI::App* verb = add_verb(
      noun, "add", "Register a vCenter Server or an ESXi host", session,
      [&session, input](Workplace& workplace) -> Result<> {
        Datacenter datacenter = input->settings;
        const std::string password =
            TRY(read_secret(input->secret_file, "REKINDLE_PASSWORD", "Password of " + datacenter.user));
        datacenter.sealed_password = TRY(workplace.seal(password));
        const std::string about =
            TRY(workplace.probe_datacenter(datacenter), "registering {}", datacenter.name);
        Catalog* catalog = TRY(workplace.catalog());
        TRY(catalog->put(datacenter));
        session.output.say(fmt::format("Registered {}: {}.", datacenter.name, about));
        if (!datacenter.thumbprint.empty()) {
          session.output.say("Its certificate is pinned: SHA-256 " + datacenter.thumbprint);
        }
        if (session.output.json) session.output.record(shown(datacenter));
        return {};
      });
  verb->add_option("name", input->settings.name, "How you call it")->required();
  verb->add_option("--url", input->settings.url, "https://host[:port]")->required();
  verb->add_option("--user", input->settings.user, "Who logs in")->required();
  verb->add_option("--password-file", input->secret_file,
                   "File with the password (else REKINDLE_PASSWORD, else a prompt)");
  verb->add_option("--thumbprint", input->settings.thumbprint,
                   "SHA-256 of its TLS certificate; without it, the one it shows now is pinned");
}

void add_account_add(CLI::App& noun, Session& session) {
  auto input = std::make_shared<Registration<Account>>();
  CLI::App* verb = add_verb(
      noun, "add", "Register an AWS account and region", session,
      [&session, input](Workplace& workplace) -> Result<> {
        Account account = input->settings;
        const std::string secret = TRY(read_secret(input->secret_file, "REKINDLE_SECRET_ACCESS_KEY",
                                                   "Secret access key of " + account.access_key_id));
        account.sealed_secret_access_key = TRY(workplace.seal(secret));
        const std::string identity = TRY(workplace.probe_account(account), "registering {}", account.name);
        Catalog* catalog = TRY(workplace.catalog());
        TRY(catalog->put(account));
        session.output.say(
            fmt::format("Registered {}: account {} in {}.", account.name, identity, account.region));
        if (session.output.json) session.output.record(shown(account));
        return {};
      });
  verb->add_option("name", input->settings.name, "How you call it")->required();
  verb->add_option("--region", input->settings.region, "us-east-1, ...")->required();
  verb->add_option("--access-key-id", input->settings.access_key_id, "AKIA...")->required();
  verb->add_option("--secret-file", input->secret_file,
                   "File with the secret access key (else REKINDLE_SECRET_ACCESS_KEY, else a prompt)");
  verb->add_option("--endpoint", input->settings.endpoint, "Another endpoint than AWS's own");
}

void add_vault_create(CLI::App& noun, Session& session) {
  auto input = std::make_shared<Registration<VaultSettings>>();
  CLI::App* verb =
      add_verb(noun, "create", "Make a vault, or use one that is there", session,
               [&session, input](Workplace& workplace) -> Result<> {
                 VaultSettings vault = input->settings;
                 const std::string passphrase =
                     TRY(read_secret(input->secret_file, "REKINDLE_PASSPHRASE", "Passphrase of the vault"));
                 vault.sealed_passphrase = TRY(workplace.seal(passphrase));
                 TRY(workplace.prepare_vault(vault), "vault {}", vault.name);
                 Catalog* catalog = TRY(workplace.catalog());
                 TRY(catalog->put(vault));
                 session.output.say(fmt::format(
                     "The vault {} is ready in {}. Keep its passphrase somewhere else too: without it "
                     "nobody can read the recovery points.",
                     vault.name, vault.directory));
                 if (session.output.json) session.output.record(shown(vault));
                 return {};
               });
  verb->add_option("name", input->settings.name, "How you call it")->required();
  verb->add_option("--directory", input->settings.directory, "Where its objects are kept")->required();
  verb->add_option("--passphrase-file", input->secret_file,
                   "File with the passphrase (else REKINDLE_PASSPHRASE, else a prompt)");
}

void add_vault_check(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  auto data = std::make_shared<bool>(false);
  CLI::App* verb = add_verb(
      noun, "check", "Look for damage", session, [&session, name, data](Workplace& workplace) -> Result<> {
        Vault* vault = TRY(workplace.vaults().vault(*name));
        const CheckReport report =
            TRY(vault->check(*data ? CheckLevel::data : CheckLevel::structure, session.interrupted));
        std::vector<nlohmann::json> problems;
        for (const CheckProblem& problem : report.problems) {
          session.output.say(problem.what);
          session.output.say(
              fmt::format("  recovery points that need it: {}", fmt::join(problem.points, ", ")));
          problems.push_back({{"what", problem.what}, {"points", problem.points}});
        }
        if (session.output.json) session.output.record({{"points", report.points}, {"problems", problems}});
        if (!report.clean()) {
          return error(
              ErrorCode::corrupt,
              "the vault {} is damaged: {} of its objects, listed above; restore these from a copy of the "
              "vault, or back the machines up into a new one",
              *name, report.problems.size());
        }
        session.output.say(fmt::format("The vault {} is whole: {} recovery points.", *name, report.points));
        return {};
      });
  verb->add_option("name", *name, "Its name")->required();
  verb->add_flag("--data", *data, "Read and check every byte");
}

}  // namespace

void add_datacenter_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("datacenter", "vCenter Servers and ESXi hosts");
  add_datacenter_add(*noun, session);
  add_list_verb<Datacenter>(*noun, session, "List them",
                            {{"name", "NAME"}, {"url", "URL"}, {"user", "USER"}});
  add_show_verb<Datacenter>(*noun, session, "Show one");
  add_remove_verb<Datacenter>(*noun, session, "Forget one",
                              [](Catalog& catalog, const std::string& name) -> Result<> {
                                const auto policies = TRY(catalog.list<BackupPolicy>(name));
                                return refuse_while_used("datacenter", name, "policy", names_of(policies));
                              });
}

void add_account_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("account", "AWS accounts");
  add_account_add(*noun, session);
  add_list_verb<Account>(
      *noun, session, "List them",
      {{"name", "NAME"}, {"region", "REGION"}, {"access_key_id", "ACCESS KEY"}, {"endpoint", "ENDPOINT"}});
  add_show_verb<Account>(*noun, session, "Show one");
  add_remove_verb<Account>(*noun, session, "Forget one",
                           [](Catalog& catalog, const std::string& name) -> Result<> {
                             const auto plans = TRY(catalog.list<DrPlan>(name));
                             return refuse_while_used("account", name, "plan", names_of(plans));
                           });
}

void add_vault_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("vault", "Repositories of recovery points");
  add_vault_create(*noun, session);
  add_list_verb<VaultSettings>(*noun, session, "List them", {{"name", "NAME"}, {"directory", "DIRECTORY"}});
  add_vault_check(*noun, session);
  add_remove_verb<VaultSettings>(
      *noun, session, "Forget one; its directory stays",
      [](Catalog& catalog, const std::string& name) -> Result<> {
        auto policies = TRY(catalog.list<BackupPolicy>());
        std::erase_if(policies, [&](const BackupPolicy& policy) { return policy.vault != name; });
        return refuse_while_used("vault", name, "policy", names_of(policies));
      });
}

}  // namespace rekindle
