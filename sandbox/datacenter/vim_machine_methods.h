// What a client can do to a VM and to its snapshots (vSphere API: VirtualMachine, VirtualMachineSnapshot).
#pragma once

#include "sandbox/datacenter/host.h"
#include "sandbox/datacenter/trouble.h"
#include "sandbox/datacenter/vim_call.h"

namespace rekindle::sandbox {

// Any thread. All that it is given outlives it.
class VimMachineMethods {
 public:
  VimMachineMethods(Host& host, VimTasks& tasks, Trouble& trouble, std::size_t areas_per_reply)
      : host_(host), tasks_(tasks), trouble_(trouble), areas_per_reply_(areas_per_reply) {}

  VimAnswer reconfigure(const VimCall& call);
  VimAnswer power_on(const VimCall& call);
  VimAnswer power_off(const VimCall& call);
  VimAnswer suspend(const VimCall& call);
  VimAnswer shut_down_guest(const VimCall& call);
  VimAnswer create_snapshot(const VimCall& call);
  VimAnswer remove_snapshot(const VimCall& call);
  VimAnswer remove_all_snapshots(const VimCall& call);
  VimAnswer consolidate(const VimCall& call);
  VimAnswer changed_areas(const VimCall& call);
  VimAnswer unregister(const VimCall& call);
  VimAnswer destroy(const VimCall& call);

 private:
  using Work = std::function<Reply(Machine&)>;
  VimAnswer start(const VimCall& call, const char* method, Work work);
  VimAnswer start_on(const std::shared_ptr<Machine>& machine, const char* method, Work work);

  Host& host_;
  VimTasks& tasks_;
  Trouble& trouble_;
  const std::size_t areas_per_reply_;
};

}  // namespace rekindle::sandbox
