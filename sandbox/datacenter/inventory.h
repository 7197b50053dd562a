// The tree of managed objects of a standalone ESXi host.
#pragma once

#include <optional>
#include <vector>

#include "sandbox/datacenter/host.h"
#include "sandbox/datacenter/vim_session.h"
#include "sandbox/datacenter/vim_tasks.h"
#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

Value service_content();

// Any thread. The host and the tasks outlive it.
class Inventory {
 public:
  Inventory(const Host& host, const VimTasks& tasks) : host_(host), tasks_(tasks) {}

  // With all its properties; none if it does not exist. Views are those of the session, which may be nullptr.
  std::optional<Value> object_of(const Reference& reference, VimSession* session) const;
  // Everything under the container, or directly in it, of one of the types (none: every managed entity).
  std::vector<Reference> contained(const Reference& container, const std::vector<std::string>& types,
                                   bool recursive) const;

 private:
  std::optional<Value> fixed_object(const Reference& reference) const;
  std::optional<Value> view_object(const Reference& reference, VimSession* session) const;
  std::vector<Reference> children_of(const Reference& container) const;
  std::vector<std::string> machine_ids() const;

  const Host& host_;
  const VimTasks& tasks_;
};

}  // namespace rekindle::sandbox
