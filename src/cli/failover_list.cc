// failover list, failover show.
#include "cli/commands.h"

namespace rekindle {

namespace {

// A time that never comes is left out.
nlohmann::json shown_failover(const Failover& failover) {
  nlohmann::json body = shown(failover);
  if (failover.expires == Time()) body.erase("expires");
  if (failover.keep_until == Time()) body.erase("keep_until");
  return body;
}

}  // namespace

void add_failover_list_verbs(CLI::App& noun, Session& session) {
  add_verb(noun, "list", "List the failovers, and when tests expire", session,
           [&session](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto failovers = TRY(catalog->list<Failover>());
             std::vector<nlohmann::json> bodies;
             for (const Failover& failover : failovers) bodies.push_back(shown_failover(failover));
             session.output.records(bodies, {{"id", "FAILOVER"},
                                             {"machine", "MACHINE"},
                                             {"kind", "KIND"},
                                             {"state", "STATE"},
                                             {"instance_id", "INSTANCE"},
                                             {"private_ip", "PRIVATE IP"},
                                             {"public_ip", "PUBLIC IP"},
                                             {"recovery_point_time", "DATA OF"},
                                             {"expires", "EXPIRES"}});
             return {};
           });
  auto id = std::make_shared<std::string>();
  add_verb(noun, "show", "Show one", session,
           [&session, id](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto failover = TRY(catalog->get<Failover>(*id));
             session.output.record(shown_failover(failover));
             return {};
           })
      ->add_option("failover", *id, "Its id, as in the list")
      ->required();
}

}  // namespace rekindle
