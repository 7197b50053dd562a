// The property collector's methods (vSphere API: PropertyCollector, PropertyFilter).
#pragma once

#include "sandbox/datacenter/inventory.h"
#include "sandbox/datacenter/vim_call.h"

namespace rekindle::sandbox {

// Any thread. All that it is given outlives it.
class VimProperties {
 public:
  VimProperties(const Inventory& inventory, ChangeSignal& changes)
      : inventory_(inventory), changes_(changes) {}

  // Whether the call is for the one that every session has, or for one that it made.
  bool has_collector(const VimCall& call) const;
  VimAnswer retrieve(const VimCall& call) const;     // RetrieveProperties: everything at once
  VimAnswer retrieve_ex(const VimCall& call) const;  // pages of maxObjects
  VimAnswer continue_retrieve(const VimCall& call) const;
  VimAnswer cancel_retrieve(const VimCall& call) const;
  VimAnswer create_collector(const VimCall& call) const;
  VimAnswer destroy_collector(const VimCall& call) const;
  VimAnswer create_filter(const VimCall& call) const;
  VimAnswer destroy_filter(const VimCall& call) const;
  // WaitForUpdatesEx, WaitForUpdates and CheckForUpdates differ in how long they wait.
  VimAnswer wait_for_updates(const VimCall& call) const;
  VimAnswer cancel_wait(const VimCall& call) const;

 private:
  std::variant<std::vector<ObjectContent>, Fault> read(const FilterSpec& filter, VimSession* session) const;
  std::string updates_of(VimSession& session, const std::string& collector_id) const;

  const Inventory& inventory_;
  ChangeSignal& changes_;
};

}  // namespace rekindle::sandbox
