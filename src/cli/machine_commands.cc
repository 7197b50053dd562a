// machine: what a datacenter runs. policy: what of it is backed up, and into which vault.
#include <algorithm>

#include "base/bytes.h"
#include "cli/commands.h"
#include "protect/instance_backup.h"

namespace rekindle {

namespace {

Result<std::vector<nlohmann::json>> describe_machines(Workplace& workplace, const std::string& datacenter) {
  Catalog* catalog = TRY(workplace.catalog());
  SnapshotSource* site = TRY(workplace.sites().datacenter(datacenter));
  const auto machines = TRY(site->machines());
  std::vector<nlohmann::json> described;
  for (const Machine& machine : machines) {
    nlohmann::json body = machine;
    std::uint64_t total = 0;
    for (const DiskSpec& disk : machine.disks) total += disk.size_bytes;
    body["size"] = human_bytes(total);
    const auto points = TRY(catalog->list<RecoveryPoint>(machine.name));
    body["recovery_points"] = points.size();
    described.push_back(std::move(body));
  }
  return described;
}

void add_machine_list(CLI::App& noun, Session& session) {
  auto datacenter = std::make_shared<std::string>();
  add_verb(noun, "list", "List the machines of a datacenter", session,
           [&session, datacenter](Workplace& workplace) -> Result<> {
             const auto machines = TRY(describe_machines(workplace, *datacenter));
             session.output.records(machines, {{"name", "NAME"},
                                               {"power", "POWER"},
                                               {"firmware", "FIRMWARE"},
                                               {"size", "SIZE"},
                                               {"change_tracking", "TRACKED"},
                                               {"recovery_points", "POINTS"},
                                               {"refused_because", "CANNOT BE PROTECTED BECAUSE"}});
             return {};
           })
      ->add_option("--datacenter", *datacenter, "Its name")
      ->required();
}

struct MachineChoice {
  std::string datacenter;
  std::string machine;
};

void add_machine_show(CLI::App& noun, Session& session) {
  auto choice = std::make_shared<MachineChoice>();
  CLI::App* verb =
      add_verb(noun, "show", "Show a machine of a datacenter", session,
               [&session, choice](Workplace& workplace) -> Result<> {
                 const auto machines = TRY(describe_machines(workplace, choice->datacenter));
                 for (const auto& machine : machines) {
                   if (machine.at("name") != choice->machine && machine.at("id") != choice->machine) continue;
                   session.output.record(machine);
                   return {};
                 }
                 SnapshotSource* site = TRY(workplace.sites().datacenter(choice->datacenter));
                 return no_such_machine(choice->datacenter, choice->machine, TRY(site->machines()));
               });
  verb->add_option("name", choice->machine, "Its name or id")->required();
  verb->add_option("--datacenter", choice->datacenter, "Its datacenter")->required();
}

Result<> check_machines(Workplace& workplace, const BackupPolicy& policy) {
  SnapshotSource* site = TRY(workplace.sites().datacenter(policy.datacenter));
  const auto there = TRY(site->machines());
  for (const std::string& name : policy.machines) {
    const bool found = std::any_of(there.begin(), there.end(), [&](const Machine& machine) {
      return machine.name == name || machine.id.str() == name;
    });
    if (found) continue;
    Catalog* catalog = TRY(workplace.catalog());
    const bool is_away = TRY(runs_in_account(*catalog, name));  // one that was adopted has no VM yet
    if (!is_away) return no_such_machine(policy.datacenter, name, there);
  }
  return {};
}

void add_policy_create(CLI::App& noun, Session& session) {
  auto policy = std::make_shared<BackupPolicy>();
  auto schedule = std::make_shared<std::string>("manual");
  CLI::App* verb = add_verb(noun, "create", "Say which machines are backed up into which vault", session,
                            [&session, policy, schedule](Workplace& workplace) -> Result<> {
                              policy->schedule = TRY(parse_schedule(*schedule), "--schedule");
                              Catalog* catalog = TRY(workplace.catalog());
                              TRY(catalog->get<Datacenter>(policy->datacenter));
                              TRY(catalog->get<VaultSettings>(policy->vault));
                              TRY(check_machines(workplace, *policy));
                              TRY(catalog->put(*policy));
                              session.output.say(fmt::format("The policy {} backs up {} machines.",
                                                             policy->name, policy->machines.size()));
                              if (session.output.json) session.output.record(shown(*policy));
                              return {};
                            });
  verb->add_option("name", policy->name, "How you call it")->required();
  verb->add_option("--datacenter", policy->datacenter, "Where the machines run")->required();
  verb->add_option("--vault", policy->vault, "Where their recovery points go")->required();
  verb->add_option("--machine", policy->machines, "A machine; may be given many times")->required();
  verb->add_option(
          "--schedule", *schedule,
          "When 'rekindle serve' backs them up: \"every 15m\", hourly, \"daily 02:30\", \"weekly sun "
          "02:30\"; begun in a window only: \"every 1h 22:00-06:00\", \"daily 23:00 22:00-06:00\"; UTC")
      ->capture_default_str();
  add_retention_options(*verb, policy->retention);
}

}  // namespace

Error no_such_machine(const std::string& datacenter, const std::string& name,
                      const std::vector<Machine>& there) {
  std::string names;
  for (const Machine& machine : there) names += (names.empty() ? "" : ", ") + machine.name;
  return error(ErrorCode::not_found, "{} has no machine '{}'; it has: {}", datacenter, name,
               names.empty() ? "none" : names);
}

void add_machine_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("machine", "Machines of the datacenters");
  add_machine_list(*noun, session);
  add_machine_show(*noun, session);
}

void add_policy_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("policy", "Backup policies");
  add_policy_create(*noun, session);
  add_list_verb<BackupPolicy>(*noun, session, "List them",
                              {{"name", "NAME"},
                               {"datacenter", "DATACENTER"},
                               {"vault", "VAULT"},
                               {"schedule", "SCHEDULE"},
                               {"machines", "MACHINES"}});
  add_show_verb<BackupPolicy>(*noun, session, "Show one");
  add_remove_verb<BackupPolicy>(*noun, session, "Forget one; its recovery points stay");
}

}  // namespace rekindle
