#include "guest/hardware.h"

namespace rekindle {

// Storage only goes into initrds: a NIC whose driver is there gets its name there, where the guest's .link
// files are not.
const Hardware& hardware_of(Platform platform) {
  // xen-netfront calls itself "vif" on the Xen bus; virtio_net and e1000e are those of EC2's look-alikes.
  static const Hardware ec2 = {"EC2",
                               {"nvme", "virtio_blk", "virtio_scsi", "virtio_pci", "xen-blkfront"},
                               {"nvme"},
                               "NVMe",
                               {"ena"},
                               "ena ixgbevf vif xen-netfront virtio_net e1000e",
                               "ena ixgbevf vif xen-netfront virtio_net"};
  // What a VM's disk may hang on: paravirtual SCSI, LSI Logic parallel and SAS, SATA.
  static const Hardware vmware = {"VMware",
                                  {"vmw_pvscsi", "mptspi", "mptsas", "ahci", "sd_mod"},
                                  {"vmw_pvscsi", "mptspi", "mptsas", "ahci"},
                                  "VMware storage",
                                  {"vmxnet3", "e1000e", "e1000"},
                                  "vmxnet3 e1000e e1000",
                                  "vmxnet3 e1000e e1000 vmxnet pcnet32"};
  return platform == Platform::ec2 ? ec2 : vmware;
}

}  // namespace rekindle
