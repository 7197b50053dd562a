// failback adopt: a machine that was born in the account can come home, too.
#include "cli/commands.h"
#include "protect/adopted_machine.h"

namespace rekindle {

void add_failback_adopt_verb(CLI::App& noun, Session& session) {
  auto request = std::make_shared<AdoptRequest>();
  auto instance = std::make_shared<std::string>();
  CLI::App* verb = add_verb(
      noun, "adopt", "Take an instance that was born in the account into a plan, so that it can come home",
      session, [&session, request, instance](Workplace& workplace) -> Result<> {
        Catalog* catalog = TRY(workplace.catalog());
        request->instance_id = InstanceId(*instance);
        const Failover taken = TRY(adopt_machine(*catalog, workplace.sites(), workplace.vaults(),
                                                 workplace.clock(), workplace.random(), *request));
        if (session.output.json) session.output.record(taken);
        session.output.say(fmt::format(
            "{}: is the instance {}, and belongs to {}. 'rekindle failback plan {} --machine {}' says "
            "whether it could come home.",
            taken.machine, taken.instance_id, taken.plan, taken.plan, taken.machine));
        return {};
      });
  verb->add_option("plan", request->plan, "The DR plan that it is to belong to; its account has the instance")
      ->required();
  verb->add_option("instance", *instance, "The instance's id")->required();
  verb->add_option("--machine", request->machine, "The name that the machine is to have")->required();
  verb->add_option("--datacenter", request->datacenter, "Its home")->required();
  verb->add_option("--vault", request->vault, "Where it is backed up")->required();
  verb->add_option("--network", request->network, "Of its network card at home")
      ->capture_default_str()
      ->default_val("VM Network");
}

}  // namespace rekindle
