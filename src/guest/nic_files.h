// The two files by which conversion gives a guest's NICs their names. Pure text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

// udev's rule gives a name also where .link files are not asked (Red Hat 7), and to a card that the guest's
// own initrd has named already, which .link files leave as it is (systemd before 240).
inline constexpr const char* nic_rules_path = "/etc/udev/rules.d/70-rekindle-net.rules";

// One NIC: by its address, or by any of its drivers.
struct NicToName {
  std::string name;          // "ens192"; a NIC's name as is_nic_name() has it
  std::string address;       // "06:00:00:00:00:01"; empty: not known
  std::string_view drivers;  // "ena virtio_net"
};

std::string link_path_of(const std::string& nic);
std::string link_text_of(const NicToName& nic);
std::string nic_rules_text_of(const std::vector<NicToName>& nics);

}  // namespace rekindle
