// What a client can do to the folder of VMs (vSphere API: Folder).
#pragma once

#include "sandbox/datacenter/host.h"
#include "sandbox/datacenter/vim_call.h"

namespace rekindle::sandbox {

// Any thread. All that it is given outlives it.
class VimFolderMethods {
 public:
  VimFolderMethods(Host& host, VimTasks& tasks) : host_(host), tasks_(tasks) {}

  VimAnswer create_machine(const VimCall& call);

 private:
  Host& host_;
  VimTasks& tasks_;
};

}  // namespace rekindle::sandbox
