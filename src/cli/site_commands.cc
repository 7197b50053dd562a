// datacenter, account: what has an address and a secret.
#include "cli/commands.h"

namespace rekindle {

namespace {

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
  verb->add_option("--disk-command", input->settings.disk_command,
                   "What serves a disk of a machine that is off over NBD, for failback: 'nbdkit --foreground "
                   "--unix {socket} vddk ...'; see docs/writing-disks.md");
}

struct AccountInput {
  Account settings;
  std::string secret_file;
  std::string external_id;
  bool environment = false;
  bool instance_role = false;
};

// The account with its secrets sealed; asks for the secret access key if there is one.
Result<Account> account_of(const AccountInput& input, Workplace& workplace) {
  Account account = input.settings;
  const int kinds = int{!account.access_key_id.empty()} + int{input.environment} +
                    int{!account.profile.empty()} + int{input.instance_role};
  if (kinds != 1) {
    return error(ErrorCode::invalid_argument,
                 "say where the credentials come from: one of --access-key-id, --environment, --profile and "
                 "--instance-role");
  }
  if (input.environment) account.credentials = CredentialKind::environment;
  if (input.instance_role) account.credentials = CredentialKind::instance_role;
  if (!account.profile.empty()) account.credentials = CredentialKind::profile;
  if (account.credentials == CredentialKind::access_key) {
    const std::string secret = TRY(read_secret(input.secret_file, "REKINDLE_SECRET_ACCESS_KEY",
                                               "Secret access key of " + account.access_key_id));
    account.sealed_secret_access_key = TRY(workplace.seal(secret));
  }
  if (!input.external_id.empty()) account.sealed_external_id = TRY(workplace.seal(input.external_id));
  return account;
}

void add_account_add(CLI::App& noun, Session& session) {
  auto input = std::make_shared<AccountInput>();
  CLI::App* verb = add_verb(noun, "add", "Register an AWS account and region", session,
                            [&session, input](Workplace& workplace) -> Result<> {
                              const Account account = TRY(account_of(*input, workplace));
                              const std::string identity =
                                  TRY(workplace.probe_account(account), "registering {}", account.name);
                              Catalog* catalog = TRY(workplace.catalog());
                              TRY(catalog->put(account));
                              session.output.say(fmt::format("Registered {}: account {} in {}.", account.name,
                                                             identity, account.region));
                              if (session.output.json) session.output.record(shown(account));
                              return {};
                            });
  verb->add_option("name", input->settings.name, "How you call it")->required();
  verb->add_option("--region", input->settings.region, "us-east-1, ...")->required();
  CLI::Option_group* who = verb->add_option_group("Credentials", "One of:");
  who->add_option("--access-key-id", input->settings.access_key_id, "AKIA..., with its secret");
  who->add_flag("--environment", input->environment,
                "AWS_ACCESS_KEY_ID and its companions, of each command's environment");
  who->add_option("--profile", input->settings.profile,
                  "A profile of the AWS command line, of whoever runs this");
  who->add_flag("--instance-role", input->instance_role, "The role of the EC2 instance that this runs on");
  verb->add_option("--secret-file", input->secret_file,
                   "File with the secret access key (else REKINDLE_SECRET_ACCESS_KEY, else a prompt)");
  CLI::Option* role = verb->add_option("--assume-role", input->settings.role_arn,
                                       "Act in this role: arn:aws:iam::...:role/...");
  verb->add_option("--external-id", input->external_id, "What the role's trust policy asks for")->needs(role);
  verb->add_option("--endpoint", input->settings.endpoint, "Another endpoint than AWS's own");
  verb->add_option("--ebs-puts-per-second", input->settings.image_puts_per_second,
                   "The account's quota of PutSnapshotBlock (Service Quotas, L-AFAE1BE8); else AWS's default")
      ->check(CLI::Range(1, 100000));
  CLI::Option* proxy = verb->add_option("--proxy-instance-id", input->settings.proxy_instance_id,
                                        "The EC2 instance that this runs on, for plans that write volumes");
  verb->add_option("--proxy-device-path", input->settings.proxy_device_path,
                   "Where its volumes appear, with {volume} or {device}; else where EC2 has them")
      ->needs(proxy);
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
  add_account_care_verbs(*noun, session);
  add_list_verb<Account>(*noun, session, "List them",
                         {{"name", "NAME"},
                          {"region", "REGION"},
                          {"credentials", "CREDENTIALS"},
                          {"access_key_id", "ACCESS KEY"},
                          {"role_arn", "ROLE"},
                          {"endpoint", "ENDPOINT"}});
  add_show_verb<Account>(*noun, session, "Show one");
  add_remove_verb<Account>(*noun, session, "Forget one",
                           [](Catalog& catalog, const std::string& name) -> Result<> {
                             const auto plans = TRY(catalog.list<DrPlan>(name));
                             TRY(refuse_while_used("account", name, "plan", names_of(plans)));
                             auto vaults = TRY(catalog.list<VaultSettings>());
                             std::erase_if(vaults, [&](const auto& vault) { return vault.account != name; });
                             return refuse_while_used("account", name, "vault", names_of(vaults));
                           });
}

}  // namespace rekindle
