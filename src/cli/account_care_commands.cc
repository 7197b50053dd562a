// account policy, account audit: what Rekindle may do in an account, and what of it is there.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "cli/commands.h"
#include "jobs/audit.h"
#include "jobs/sweep.h"

namespace rekindle {

namespace {

struct PolicyInput {
  std::string account;
  std::vector<std::string> kms_keys;
  std::vector<std::string> passed_roles;
  std::vector<std::string> vault_buckets;
  bool assume_role = false;
  std::string role;
  std::string caller;
  std::string external_id;
};

// s3://bucket/prefix -> bucket
std::string bucket_of(const std::string& url) {
  const std::string rest = url.substr(std::string_view("s3://").size());
  return rest.substr(0, rest.find('/'));
}

void print_document(const Session& session, const nlohmann::json& document) {
  std::puts(document.dump(session.output.json ? -1 : 2).c_str());
}

// The account with the role that it assumes: as it is registered, or as it will be.
Result<Account> with_role(Workplace& workplace, const PolicyInput& input) {
  Account account;
  if (!input.account.empty()) {
    Catalog* catalog = TRY(workplace.catalog());
    account = TRY(catalog->get<Account>(input.account));
  }
  if (!input.role.empty()) account.role_arn = input.role;
  if (!input.external_id.empty()) account.sealed_external_id = TRY(workplace.seal(input.external_id));
  if (!account.role_arn.empty()) return account;
  return error(
      ErrorCode::invalid_argument,
      "say which role is assumed: --role arn:aws:iam::...:role/..., or an account that was added with "
      "--assume-role");
}

Result<> print_assume_role(Session& session, Workplace& workplace, const PolicyInput& input) {
  const Account account = TRY(with_role(workplace, input));
  const nlohmann::json policies = TRY(workplace.assume_role_policies(account, input.caller));
  print_document(session, policies);
  return {};
}

Result<> print_policy(Session& session, Workplace& workplace, const PolicyInput& input) {
  if (input.assume_role) return print_assume_role(session, workplace, input);
  std::string region = "*";
  std::vector<std::string> buckets = input.vault_buckets;
  if (!input.account.empty()) {  // else nothing of this home is needed, nor made
    Catalog* catalog = TRY(workplace.catalog());
    region = TRY(catalog->get<Account>(input.account)).region;
    const auto vaults = TRY(catalog->list<VaultSettings>());
    for (const VaultSettings& vault : vaults) {
      if (vault.account == input.account) buckets.push_back(bucket_of(vault.s3));
    }
  }
  print_document(session, workplace.iam_policy(region, input.kms_keys, input.passed_roles, buckets));
  return {};
}

void add_assume_role_options(CLI::App& verb, PolicyInput& input) {
  CLI::Option* assume = verb.add_flag(
      "--assume-role", input.assume_role,
      "Instead: the trust policy of the role that the account assumes, and what its caller must be allowed");
  CLI::Option* caller =
      verb.add_option("--caller", input.caller, "Who assumes it: the ARN of the proxy's role, or of a user");
  assume->needs(caller);
  caller->needs(assume);
  verb.add_option("--role", input.role, "ARN of the role; else the account's")->needs(assume);
  verb.add_option("--external-id", input.external_id, "What its trust policy asks for; else the account's")
      ->needs(assume);
}

void add_account_policy(CLI::App& noun, Session& session) {
  auto input = std::make_shared<PolicyInput>();
  CLI::App* verb = add_verb(
      noun, "policy", "Print the IAM policy that Rekindle needs in an account, and nothing more", session,
      [&session, input](Workplace& workplace) { return print_policy(session, workplace, *input); });
  verb->add_option("name", input->account, "The account, for its region and its vaults; else for any region");
  verb->add_option("--kms-key", input->kms_keys,
                   "ARN of a key of encrypted volumes; may be given many times");
  verb->add_option("--vault-bucket", input->vault_buckets,
                   "An S3 bucket that holds a vault, beside those of the account; may be given many times");
  verb->add_option("--pass-role", input->passed_roles,
                   "ARN of a role that a plan gives to instances; may be given many times");
  add_assume_role_options(*verb, *input);
}

struct AuditInput {
  std::string account;
  bool remove = false;
  bool yes = false;
};

std::string_view word_of(OwnedState state) {
  switch (state) {
    case OwnedState::used:
      return "in use";
    case OwnedState::working:
      return "of a job under way";
    case OwnedState::waiting:
      return "to be removed";
    case OwnedState::orphan:
      return "ORPHAN";
  }
  return "ORPHAN";
}

std::vector<nlohmann::json> shown(const Audit& audit) {
  std::vector<nlohmann::json> rows;
  for (const AuditedObject& one : audit.objects) {
    rows.push_back({{"kind", one.object.kind},
                    {"id", one.object.id},
                    {"state", std::string(word_of(one.state))},
                    {"used_by", one.used_by},
                    {"token", one.object.token}});
  }
  for (const LedgerEntry& entry : audit.lost) {
    rows.push_back({{"kind", entry.kind},
                    {"id", entry.object_id},
                    {"state", "LOST"},
                    {"used_by", entry.in_use_by},
                    {"token", entry.token}});
  }
  return rows;
}

bool confirmed(std::size_t orphans) {
  fmt::print(stderr, "Remove {} orphans for good? Type yes: ", orphans);
  std::fflush(stderr);
  std::string answer;
  return std::getline(std::cin, answer) && answer == "yes";
}

Result<> clear(Session& session, Workplace& workplace, const AuditInput& input, const Audit& audit) {
  if (!input.yes && (::isatty(STDIN_FILENO) != 1 || !confirmed(audit.orphans())))
    return error(ErrorCode::cancelled, "nothing was removed; say --yes where there is no terminal to ask at");
  RecoveryTarget* site = TRY(workplace.sites().account(input.account));
  TRY(remove_orphans(*site, workplace.clock(), audit));
  session.output.say(fmt::format("{} orphans are gone.", audit.orphans()));
  return {};
}

Result<> audit(Session& session, Workplace& workplace, const AuditInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  TRY(catalog->get<Account>(input.account));
  RecoveryTarget* site = TRY(workplace.sites().account(input.account));
  // What earlier jobs could not reach is no orphan: it goes now.
  TRY(sweep_finished_jobs(*catalog, workplace.sites(), workplace.clock(), input.account));
  const Audit found = TRY(audit_account(*catalog, *site, input.account));
  session.output.records(shown(found),
                         {{"kind", "KIND"}, {"id", "OBJECT"}, {"state", "STATE"}, {"used_by", "USED BY"}});
  session.output.say(fmt::format("{} objects of ours, {} orphans, {} lost.", found.objects.size(),
                                 found.orphans(), found.lost.size()));
  if (input.remove && found.orphans() > 0) return clear(session, workplace, input, found);
  if (found.orphans() == 0 && found.lost.empty()) return {};
  return error(ErrorCode::failed_precondition, "{}",
               found.orphans() > 0
                   ? "the account holds what nothing lists; remove it with --remove"
                   : "something that is in use is not in the account any more; DR copies are made "
                     "anew with 'rekindle replicate run'");
}

void add_account_audit(CLI::App& noun, Session& session) {
  auto input = std::make_shared<AuditInput>();
  CLI::App* verb =
      add_verb(noun, "audit", "Prove that the account holds nothing of ours that is not listed", session,
               [&session, input](Workplace& workplace) { return audit(session, workplace, *input); });
  verb->add_option("name", input->account, "The account")->required();
  verb->add_flag("--remove", input->remove, "Remove the orphans, after asking");
  verb->add_flag("--yes", input->yes, "Do not ask");
}

}  // namespace

void add_account_care_verbs(CLI::App& noun, Session& session) {
  add_account_policy(noun, session);
  add_account_audit(noun, session);
}

}  // namespace rekindle
