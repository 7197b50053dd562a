// cloud-init, which on EC2 writes the network's configuration before anything else reads it.
#pragma once

#include "guest/guest_services.h"

namespace rekindle {

// Whether it starts with the guest, looks for EC2, and was not told to leave the network alone.
Result<bool> cloud_init_configures_network(Ext4Volume& root, GuestServices& services);

}  // namespace rekindle
