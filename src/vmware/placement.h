// Where a new machine goes: a host that sees the datastore and all networks it needs, and what belongs to it.
#pragma once

#include <map>
#include <string>

#include "site/restore_target.h"
#include "vmware/vim_session.h"

namespace rekindle {

struct Placement {
  ManagedObject folder;   // of machines, in the host's datacenter
  ManagedObject pool;     // the host's, or its cluster's
  ManagedObject host;     // named too: a cluster that does not balance its load wants to be told
  std::string datastore;  // "datastore1"
  // Of every network that the machine is to be connected to, by the name in `NicSpec::network` as it is
  // there: the element <backing> of its network card.
  std::map<std::string, std::string> backings;
};

// The network that a card of the recovery point is to be connected to there.
std::string mapped_network(const NewMachine& wanted, const NicSpec& nic);

// `invalid_argument`: no such datastore or network, with those that there are; `exhausted`: no room for all
// of the disks (they are made thin, but must be able to grow); `failed_precondition`: no host has both.
Result<Placement> choose_placement(VimSession& session, const NewMachine& wanted);

}  // namespace rekindle
